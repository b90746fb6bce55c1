"""The commands fit and predict: models as plain JSON, predictions from new tables."""

import json

import numpy as np
import pandas as pd
import pytest

import lassoflow as lf
from lassoflow.fitted_model import read_model


@pytest.fixture
def table(tmp_path):
    """A table of numbers and a column of text, a response, and one of two values."""
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.standard_normal((80, 6)) * [1, 10, 0.1, 1, 1, 1], columns=list("abcdef"))
    frame["colour"] = rng.choice(["red", "green", "blue"], 80)
    frame["y"] = 2 * frame["a"] - 0.3 * frame["b"] + (frame["colour"] == "red") + 0.1 * rng.standard_normal(80)
    frame["won"] = (frame["y"] > 0).astype(int)
    frame.to_csv(tmp_path / "data.csv", index=False)
    frame.drop(columns=["y", "won"]).iloc[::-1].to_csv(tmp_path / "new.csv", index=False)
    return tmp_path


def fitted(run, table, *options):
    code, text, err = run(
        "fit", table / "data.csv", "-t", "y", "--ignore", "won", "--one-hot", "--out", table / "m.json", *options
    )
    assert (code, err) == (0, "")
    return text, read_model(table / "m.json")


def test_fit_and_predict(run, table):
    text, model = fitted(run, table)
    assert "standard error of the minimum of 5-fold cross-validation" in text
    assert "Written to" in text
    assert {"a", "b", "colour=red"} <= set(model.coef)
    code, out, err = run("predict", table / "m.json", table / "new.csv")
    assert (code, err) == (0, "")
    values = pd.read_csv(pd.io.common.StringIO(out))
    truth = pd.read_csv(table / "data.csv")["y"].to_numpy()[::-1]
    assert values.columns.tolist() == ["y"]
    assert np.sqrt(np.mean((values["y"] - truth) ** 2)) < 0.2
    code, out, _ = run("predict", table / "m.json", table / "new.csv", "--out", table / "p.csv")
    assert (code, out) == (0, "")
    assert pd.read_csv(table / "p.csv")["y"].tolist() == values["y"].tolist()


def test_the_model_is_that_of_the_estimator(run, table):
    _, model = fitted(run, table, "--select", "s=8", "--penalty-factor", "none")
    frame = pd.read_csv(table / "data.csv")
    X = pd.concat([frame[list("abcdef")], *((frame["colour"] == c).astype(float).rename(f"colour={c}")
                                            for c in ("blue", "green", "red"))], axis=1)  # fmt: skip
    own = lf.FlowRegressor(1 / 8).fit(X, frame["y"])
    for name, value in zip(X.columns, own.coef_, strict=True):
        assert model.coef.get(name, 0.0) == pytest.approx(value, rel=1e-9, abs=1e-12)
    assert model.intercept == pytest.approx(own.intercept_)
    assert (model.s, model.blend) == (8.0, 0.0)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--select", "1se"], "one-standard-error rule"),
        (["--select", "ebic"], "extended BIC"),
        (["--select", "bic", "--model", "lasso"], "BIC"),
        (["--model", "lasso"], "cross-validation"),
        (["--model", "network", "--depth", 3, "--scale", 1e-6, "--select", "s=5"], "Fitted at s = 5"),
    ],
)
def test_other_choices(run, table, options, word):
    text, model = fitted(run, table, *options)
    assert word in text
    assert model.coef


def test_columns_in_other_units_are_the_same_model(run, table):
    _, model = fitted(run, table)
    frame = pd.read_csv(table / "data.csv")
    frame["b"] *= 1000.0
    frame.to_csv(table / "data.csv", index=False)
    _, other = fitted(run, table)
    assert other.coef["b"] == pytest.approx(model.coef["b"] / 1000.0, rel=1e-9)
    assert other.coef["a"] == pytest.approx(model.coef["a"], rel=1e-9)


def test_two_values_by_the_logistic_loss(run, table):
    code, _, err = run(
        "fit", table / "data.csv", "-t", "won", "--loss", "logistic", "--ignore", "y", "--one-hot", "--out",
        table / "m.json",
    )  # fmt: skip
    assert code == 0
    code, out, err = run("predict", table / "m.json", table / "new.csv")
    assert (code, err) == (0, "")
    frame = pd.read_csv(pd.io.common.StringIO(out))
    assert frame.columns.tolist() == ["probability of won = 1"]
    truth = pd.read_csv(table / "data.csv")["won"].to_numpy()[::-1]
    assert np.mean((frame.iloc[:, 0] > 0.5) == truth) > 0.85


def test_json_alone(run, table):
    code, text, _ = run("fit", table / "data.csv", "-t", "y", "--ignore", "won", "--ignore", "colour", "--json")
    found = json.loads(text)
    assert code == 0
    assert found["data"]["rows"] == 80
    assert len(found["data"]["sha256"]) == 64
    assert set(found["coef"]) <= set(found["features"])


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--select", "best"], "--select must be cv, 1se, bic"),
        (["--select", "s=-1"], "--select must be cv"),
        (["--model", "network"], "give --select s=NUMBER"),
        (["--loss", "logistic"], "--loss logistic needs a target of two values"),
        (["--loss", "logistic", "--model", "lasso"], "--loss logistic goes with --model flow"),
        (["--target", "nothing"], "nothing"),
        (["--folds", 81], "--folds must be at most the number of rows, 80; got 81"),
    ],
)
def test_bad_requests(run, table, options, sentence):
    code, out, err = run("fit", table / "data.csv", "-t", "y", "--ignore", "won", "--one-hot", *options)
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1


def test_columns_without_a_coefficient_are_not_asked_for(run, table):
    _, model = fitted(run, table, "--select", "s=1")
    assert 0 < len(model.needed) < len(model.features)
    whole = run("predict", table / "m.json", table / "new.csv")
    rows = [line.split(",") for line in (table / "new.csv").read_text().splitlines()]
    kept = [k for k, name in enumerate(rows[0]) if any(need.split("=")[0] == name for need in model.needed)]
    assert len(kept) < len(rows[0])
    (table / "new.csv").write_text("".join(",".join(row[k] for k in kept) + "\n" for row in rows))
    assert run("predict", table / "m.json", table / "new.csv") == whole
    fitted(run, table, "--select", "s=1e-9")  # nothing is needed: a mean for every row
    code, out, _ = run("predict", table / "m.json", table / "new.csv")
    assert (code, len(out.split())) == (0, 81)


def test_two_levels_and_files_of_the_first_format(run, table):
    """The level that has no column of its own is known, too; a model that was written without levels still predicts."""
    frame = pd.read_csv(table / "data.csv").assign(colour=lambda f: np.where(f["colour"] == "red", "red", "other"))
    frame.to_csv(table / "data.csv", index=False)
    _, model = fitted(run, table)
    assert model.levels == {"colour": ["other", "red"]}
    new = frame.drop(columns=["y", "won"]).head(2)
    new.assign(colour=["other", "blue"]).to_csv(table / "new.csv", index=False)
    code, _, err = run("predict", table / "m.json", table / "new.csv")
    assert (code, "holds 'blue'; the model knows 'other', 'red'" in err) == (2, True)
    new.assign(colour=["other", "red"]).to_csv(table / "new.csv", index=False)
    code, now, _ = run("predict", table / "m.json", table / "new.csv")
    parts = json.loads((table / "m.json").read_text())
    del parts["levels"]
    (table / "old.json").write_text(json.dumps(parts | {"format": 1}))
    assert run("predict", table / "old.json", table / "new.csv") == (code, now, "")


def test_bad_models_and_tables(run, table):
    fitted(run, table)
    model = json.loads((table / "m.json").read_text())
    for name, content, sentence in (
        ("none.json", None, "cannot be read: No such file"),
        ("text.json", "{", "is no model written by lassoflow fit: it is no JSON"),
        ("new.json", json.dumps(model | {"format": 99}), "written by a newer version"),
        ("odd.json", json.dumps({"format": 1}), "is no model"),
        ("odd2.json", json.dumps(model | {"coef": {"zz": 1.0}}), "does not fit together"),
    ):
        if content is not None:
            (table / name).write_text(content)
        code, out, err = run("predict", table / name, table / "new.csv")
        assert (code, out) == (2, "")
        assert sentence in err
    new = pd.read_csv(table / "new.csv")
    for change, sentence in (
        (new.drop(columns="a"), "the model needs 'a'"),
        (new.drop(columns="colour"), "the model needs 'colour="),
        (new.assign(a="x"), "column 'a' holds text"),
        (new.assign(colour=1.0), "column 'colour' holds numbers; the model was fitted on text"),
        (new.assign(colour="mauve"), "column 'colour' holds 'mauve'; the model knows 'blue', 'green', 'red'"),
        (new.assign(b=[np.nan, *new["b"][1:]]), "1 of 80 rows miss a value"),
    ):
        change.to_csv(table / "bad.csv", index=False)
        code, out, err = run("predict", table / "m.json", table / "bad.csv")
        assert (code, out) == (2, "")
        assert sentence in err


@pytest.mark.filterwarnings("ignore:The path ends at s")
@pytest.mark.parametrize("options", [["--law", "flow"], ["--law", "lasso"]])
def test_paths_of_other_losses(run, table, options):
    code, text, err = run("path", table / "data.csv", "-t", "won", "--loss", "logistic", "--ignore", "y",
                          "--ignore", "colour", "--out", table / "path", *options)  # fmt: skip
    assert code == 0
    assert err == ""
    assert "share of the loss explained" in text
    assert "scikit-learn's Lasso" not in text
    assert "satisfies its optimality conditions" in text
    knots = pd.read_csv(table / "path" / "knots.csv")
    assert knots["intercept"].notna().all()


@pytest.mark.parametrize("law", ["lasso", "flow"])
def test_paths_of_huber(run, table, law):
    code, out, err = run("path", table / "data.csv", "-t", "y", "--loss", "huber", "--law", law, "--ignore", "colour")
    assert code == 0, err
    assert "satisfies its optimality conditions" in out
