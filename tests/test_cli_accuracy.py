"""The command accuracy: a table a person can act on, in words and as JSON."""

import json

import numpy as np
import pandas as pd
import pytest

from lassoflow.closeness import spread


@pytest.fixture
def table(tmp_path):
    """Twenty rows of sixty columns, a response of two of them."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((20, 60))
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(60)])
    frame["y"] = 2 * X[:, 0] - X[:, 1]
    frame["flat"] = 1.0
    frame["same"] = frame["x5"]
    frame.drop(columns=["flat", "same"]).to_csv(tmp_path / "wide.csv", index=False)
    frame[["x0", "x1", "y"]].to_csv(tmp_path / "tall.csv", index=False)
    frame[["x0", "same", "x5", "y"]].iloc[:2].to_csv(tmp_path / "ties.csv", index=False)
    return tmp_path


def test_the_table(run, table):
    code, text, err = run("accuracy", table / "wide.csv", "-t", "y", "--depth", 2, 3, "--scale", "1e-2", "1e-8")
    assert (code, err) == (0, "")
    rows = [line.split() for line in text.splitlines() if line[:1] in ("2", "3")]
    assert [row[:2] for row in rows] == [["2", "0.01"], ["2", "1e-08"], ["3", "0.01"], ["3", "1e-08"]]
    for line in ("has 2 nonzero coefficients", "rho is 0.4631", "Depth 3: within 1 % for sure from a scale of 5e-05"):
        assert line in text


def test_as_json(run, table):
    code, text, _ = run("accuracy", table / "wide.csv", "--target", "y", "--json", "--error", 0.1)
    found = json.loads(text)
    assert code == 0
    assert found["unique"]
    assert len(found["networks"]) == 9
    for row in found["networks"]:
        assert row["lower"] <= row["distance"] <= row["upper"]
    assert [one["depth"] for one in found["enough"]] == [2, 3, 4]


def test_files(run, table, tmp_path):
    code, text, err = run("accuracy", table / "wide.csv", "-t", "y", "--depth", 2, 3, "--out", tmp_path / "new")
    assert (code, err) == (0, "")
    assert "Written to" in text
    networks = pd.read_csv(tmp_path / "new" / "networks.csv")
    found = json.loads((tmp_path / "new" / "accuracy.json").read_text())
    assert networks.to_dict("records") == [pytest.approx(row) for row in found["networks"]]
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == ["accuracy.json", "networks.csv"]


def test_files_that_cannot_be_written(run, table, tmp_path):
    (tmp_path / "taken").touch()
    code, _, err = run("accuracy", table / "wide.csv", "-t", "y", "--out", tmp_path / "taken")
    assert code == 2
    assert err.startswith("lassoflow: --out: ")


def test_where_there_is_nothing_to_bound(run, table):
    code, text, err = run("accuracy", table / "tall.csv", "-t", "y")
    assert (code, err) == (0, "")
    assert "There is one fit only" in text


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--scale", 2], "--scale: numbers between 0 and 1; got 2."),
        (["--error", 0], "--error: a positive number; got 0."),
        (["--depth", 1], "--depth"),
        (["--target", "nothing"], "nothing"),
    ],
)
def test_bad_options(run, table, options, sentence):
    code, text, err = run("accuracy", table / "wide.csv", *(["-t", "y"] if "--target" not in options else []), *options)
    assert (code, text) == (2, "")
    assert sentence in err


def test_several_numbers_after_one_option():
    words = ["accuracy", "a.csv", "--depth", "2", "3", "--scale", "1e-2", "1e-4", "--json"]
    assert spread(words) == [
        "accuracy", "a.csv", "--depth", "2", "--depth", "3", "--scale", "1e-2", "--scale", "1e-4", "--json",
    ]  # fmt: skip
    assert spread(["train", "a.csv", "--depth", "3", "--scale", "1e-6"]) == [
        "train", "a.csv", "--depth", "3", "--scale", "1e-6",
    ]  # fmt: skip
