"""The command landscape: the table of classes in words, as JSON and in files; files of numbers, read strictly."""

import json

import numpy as np
import pandas as pd
import pytest

import lassoflow as lf
from lassoflow.matrices import read_matrix

Y = np.array([[3.0, 0.0, 1.0], [0.0, 2.0, 0.0], [0.5, 0.0, 1.0]])


@pytest.fixture
def matrix(tmp_path):
    np.savetxt(tmp_path / "Y.csv", Y, delimiter=",")
    return tmp_path / "Y.csv"


def test_the_table(run, matrix):
    code, text, err = run("landscape", matrix, "--hidden", 3, 3, "--weight-decay", 0.1)
    assert (code, err) == (0, "")
    assert "3 layers, widths 3-3-3-3" in text
    assert "values from 0.312 on have positive roots, and the global minimum keeps those from 0.3557 on" in text
    kinds = [line for line in text.splitlines() if line.startswith(("global", "local", "strict", "non-strict"))]
    assert len(kinds) == 27
    assert kinds[0].split() == [
        "global", "minimum", "1.36405", "0", "6", "6", "2.5", "rank", "3", "(large:", "3.266,", "2,", "0.7656)",
    ]  # fmt: skip
    assert "The error bound holds near all critical points, with a margin of 0.9724: " in text
    assert "at most 12.9 times the norm of the gradient" in text


def test_as_json(run, matrix):
    code, text, _ = run("landscape", matrix, "--hidden", 2, "--weight-decay", 0.1, 0.2, "--json", "--max-classes", 3)
    found = json.loads(text)
    problem = lf.DeepLinear(Y, [2], [0.1, 0.2])
    assert code == 0
    assert (found["widths"], found["weight_decay"]) == ([3, 2, 3], [0.1, 0.2])
    assert found["n_classes"] == len(problem.critical_points())
    assert len(found["classes"]) == 3
    for row, each in zip(found["classes"], problem.critical_points(), strict=False):
        assert (row["kind"], row["loss"], row["index"]) == (each.kind, each.value, each.index)
        assert row["kappa"] == each.error_bound().kappa
        assert len(row["large"]) == each.rank
    assert found["error_bound"]["margin"] == problem.error_bound().margin
    for one in found["singular_values"]:
        assert one["lambda_critical"] == lf.lambda_critical(one["value"], 2)


def test_where_the_weight_decay_is_critical(run, tmp_path):
    (tmp_path / "Y.csv").write_text("2,0\n0,1\n")
    code, text, _ = run("landscape", tmp_path / "Y.csv", "--hidden", 2, "--weight-decay", 1)
    assert code == 0
    assert "The error bound does not hold near all critical points. The weight decay is critical for" in text
    code, text, _ = run("landscape", tmp_path / "Y.csv", "--hidden", 2, "--weight-decay", 1, "--json")
    assert json.loads(text)["error_bound"]["kappa"] == "inf"


def test_nothing_to_fit(run, tmp_path):
    (tmp_path / "Y.csv").write_text("0,0\n")
    code, text, err = run("landscape", tmp_path / "Y.csv", "--hidden", 2, 2, "--weight-decay", 1)
    assert (code, err) == (0, "")
    assert "global minimum" in text


def test_files(run, matrix, tmp_path):
    options = ("--hidden", 3, 3, "--weight-decay", 0.1, "--max-classes", 5, "--out", tmp_path / "new")
    code, text, err = run("landscape", matrix, *options)
    assert (code, err) == (0, "")
    assert "The first 5 of 27 classes" in text
    assert "Written to" in text
    rows = pd.read_csv(tmp_path / "new" / "classes.csv")
    found = json.loads((tmp_path / "new" / "landscape.json").read_text())
    assert rows["loss"].tolist() == [row["loss"] for row in found["classes"]]
    assert rows["at"][1] == "rank 2 (large: 3.266, 2)"
    assert sorted(file.name for file in (tmp_path / "new").iterdir()) == ["classes.csv", "landscape.json"]


def test_files_that_cannot_be_written(run, matrix, tmp_path):
    (tmp_path / "taken").touch()
    code, text, err = run("landscape", matrix, "--hidden", 3, "--weight-decay", 1, "--out", tmp_path / "taken")
    assert (code, text) == (2, "")
    assert err.startswith("lassoflow: --out: ")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--weight-decay", 1], "Missing option '--hidden'"),
        (["--hidden", 3], "Missing option '--weight-decay'"),
        (["--hidden", 0, "--weight-decay", 1], "--hidden"),
        (["--hidden", 3, "--weight-decay", 0], "weight_decay must be finite and > 0 for every layer; got 0.0."),
        (["--hidden", 3, "--weight-decay", 1, -1], "weight_decay must be finite and > 0 for every layer"),
        (["--hidden", 3, "--weight-decay", 1, 1, 1], "weight_decay must be a number, or one for each of 2 layers"),
        (["--hidden", 3, "--weight-decay", 1, "--max-classes", 0], "--max-classes"),
    ],
)
def test_bad_options(run, matrix, options, sentence):
    code, text, err = run("landscape", matrix, *options)
    assert (code, text) == (2, "")
    assert err.count("\n") == 1
    assert sentence in err


MATRICES = [
    "1,2\n3,4\n",
    "a,b\n1,2\n3,4\n",
    "1;2\n\n3;4",
    "1\t2\n3\t4\n",
    "  1  2\n 3 4  \n",
    "\ufeff1,2\r\n3,4\r\n",
    '"x","y"\n"1", 2\n3,4\n',
]


@pytest.mark.parametrize("text", MATRICES)
def test_matrices(tmp_path, text):
    (tmp_path / "Y.csv").write_bytes(text.encode())
    np.testing.assert_array_equal(read_matrix(str(tmp_path / "Y.csv")), [[1, 2], [3, 4]])


def test_a_single_column(tmp_path):
    (tmp_path / "Y.csv").write_text("y\n1\n2\n")
    np.testing.assert_array_equal(read_matrix(str(tmp_path / "Y.csv")), [[1], [2]])


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"1,2\n3\n", "line 2 has 1 fields, but line 1 has 2."),
        (b"a,b\n1,2\n\n3,4,5\n", "line 4 has 3 fields, but line 2 has 2."),
        (b"1,2\n3,x\n", "line 2 has 'x' where a finite number should be."),
        (b"a,2\n3,4\n", "line 1 has 'a' where a finite number should be."),
        (b"1,2\n3,nan\n", "line 2 has 'nan' where a finite number should be."),
        (b"1,2\n3,\n", "line 2 has '' where a finite number should be."),
        (b"1,2\n3,1e999\n", "line 2 has '1e999' where a finite number should be."),
        (b'1,2\n"3,4\n', "line 2 is not well-formed"),
        (b"a,b\n", "holds no numbers."),
        (b"", "holds no numbers."),
        (b"1,2\n\xff,3\n", "is not a text file in UTF-8."),
    ],
)
def test_bad_matrices(run, tmp_path, text, sentence):
    (tmp_path / "Y.csv").write_bytes(text)
    code, out, err = run("landscape", tmp_path / "Y.csv", "--hidden", 2, "--weight-decay", 1)
    assert (code, out) == (2, "")
    assert err.startswith("lassoflow: ")
    assert err.count("\n") == 1
    assert sentence in err


def test_no_file(run, tmp_path):
    for name in ("missing.csv", "."):
        code, _, err = run("landscape", tmp_path / name, "--hidden", 2, "--weight-decay", 1)
        assert code == 2
        assert "cannot be read: " in err
