"""Tables are read strictly; designs are what they claim to be."""

import datetime
import decimal
import os

import numpy as np
import pandas as pd
import pytest

from lassoflow.datasets import SHIPPED, diabetes_quadratic, gaussian
from lassoflow.tables import TableError, listed, read_table

GOOD = "a,b,y\n1,2,3\n2,1,5\n3,5,1\n"


@pytest.fixture
def write(tmp_path):
    def write(content, name="table.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def refused(source, match, **options):
    with pytest.raises(TableError, match=match) as caught:
        read_table(source, **{"target": "y", **options})
    sentence = str(caught.value)
    assert "\n" not in sentence
    assert sentence.endswith((".", "?"))


# -- good tables ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [
        GOOD,
        GOOD.replace("\n", "\r\n"),
        "\ufeff" + GOOD,
        GOOD.replace(",", ", "),
        GOOD.replace(",", ";"),
        GOOD.replace(",", "\t"),
        GOOD + "\n  \n",
        GOOD.replace("a,", '"a",'),
    ],
    ids=["plain", "crlf", "bom", "spaces", "semicolons", "tabs", "blank-lines", "quoted"],
)
def test_text_is_read(write, content):
    table = read_table(write(content), "y")
    assert table.X.tolist() == [[1, 2], [2, 1], [3, 5]]
    assert table.y.tolist() == [3, 5, 1]
    assert (table.feature_names, table.target_name, table.notes) == (("a", "b"), "y", ())
    assert table.sample_weight is None
    assert list(table.to_frame().columns) == ["a", "b"]


def test_tsv_may_hold_commas(write):
    table = read_table(write("a\tb, c\ty\n1\t2\t3\n2\t1\t5\n", "table.tsv"), "y")
    assert table.feature_names == ("a", "b, c")


def test_numbers_are_read_to_the_last_bit(write):
    values = np.random.default_rng(0).standard_normal(200) * 10.0 ** np.arange(-100, 100)
    table = read_table(write("x,y\n" + "".join(f"{v!r},1\n" for v in values.tolist())), "y")
    assert np.array_equal(table.X[:, 0], values)


def test_the_target_may_stand_anywhere(write):
    table = read_table(write(GOOD), "a", sample_weight="y")
    assert table.y.tolist() == [1, 2, 3]
    assert table.sample_weight.tolist() == [3, 5, 1]
    assert table.feature_names == ("b",)


def test_booleans_become_numbers(write):
    table = read_table(write("flag,a,y\nTrue,1,False\nFalse,2,True\n"), "y")
    assert table.X.tolist() == [[1, 1], [0, 2]]
    assert table.y.tolist() == [0, 1]


def test_constant_and_nameless_columns_are_kept_and_noted(write):
    table = read_table(write(",a,y\n0,7,3\n1,7,5\n"), "y")
    assert table.feature_names == ("Unnamed: 0", "a")
    row_number, constant = table.notes
    assert "row number" in row_number
    assert constant == "constant: 'a'"


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_data_need_no_target(name):
    table = read_table(name)
    assert table.target_name == SHIPPED[name]
    assert table.X.shape == (table.y.size, len(table.feature_names))
    assert table.target_name not in table.feature_names


def test_shipped_data_can_predict_another_column():
    table = read_table("diabetes", target="bmi")
    assert "progression" in table.feature_names
    assert "bmi" not in table.feature_names


def test_npz(tmp_path):
    X, y = np.arange(6.0).reshape(3, 2), np.array([True, False, True])
    np.savez(tmp_path / "t.npz", X=X, y=y, w=[1, 2, 3], feature_names=["p", "q"])
    table = read_table(tmp_path / "t.npz", sample_weight="w")
    assert np.array_equal(table.X, X)
    assert table.y.tolist() == [1, 0, 1]
    assert table.sample_weight.tolist() == [1, 2, 3]
    assert table.feature_names == ("p", "q")
    np.savez(tmp_path / "t.npz", X=X, z=y)
    assert read_table(tmp_path / "t.npz", "z").feature_names == ("x0", "x1")


def test_parquet_with_nullable_and_exotic_columns(tmp_path):
    frame = pd.DataFrame(
        {
            "int": pd.array([1, None, 3], dtype="Int64"),
            "flag": pd.array([True, False, None], dtype="boolean"),
            "price": [decimal.Decimal("1.5")] * 3,
            "y": [1.0, 2.0, 3.0],
        }
    )
    frame.to_parquet(tmp_path / "t.parquet")
    refused(tmp_path / "t.parquet", "2 of 3 rows miss a value, in 'int', 'flag': --drop-missing")
    table = read_table(tmp_path / "t.parquet", "y", drop_missing=True)
    assert table.X.tolist() == [[1, 1, 1.5]]


# -- text and missing values --------------------------------------------------------------------------------------


def test_text_is_refused_by_name_or_encoded(write):
    path = write("a,city,sex,y\n1,Rome,f,1\n2,Oslo,m,2\n3,Bern,f,3\n4,Rome,m,4\n")
    refused(path, "columns 'city', 'sex' hold text such as 'Rome': --one-hot")
    table = read_table(path, "y", one_hot=True)
    assert table.feature_names == ("a", "city=Bern", "city=Oslo", "city=Rome", "sex=m")
    assert table.X[:, 1:].tolist() == [[0, 0, 1, 0], [0, 1, 0, 1], [1, 0, 0, 0], [0, 0, 1, 1]]
    assert [note.split(" is ")[0] for note in table.notes] == ["'city'", "'sex'"]
    assert read_table(path, "y", ignore=["city", "sex"]).feature_names == ("a",)


def test_the_cell_that_spoils_a_column_is_shown(write):
    refused(write("a,y\n1,1\n2,2\n3x,3\n"), "column 'a' holds numbers and text such as '3x' in row 3")


@pytest.mark.parametrize("one_hot", [False, True])
def test_decimal_commas_and_codes_for_missing_are_no_categories(tmp_path, one_hot):
    path = tmp_path / "t.csv"
    path.write_text("a;y\n" + "".join(f"{i},{i};{i}\n" for i in range(1, 9)))
    refused(path, "column 'a' has decimal commas, such as '1,1'", target="y", one_hot=one_hot)
    path.write_text("a,y\n" + "".join(f"{i},{i}\n" for i in range(1, 9)) + "?,9\n")
    refused(path, r"column 'a' holds numbers and text such as '\?' in row 9", target="y", one_hot=one_hot)


@pytest.mark.parametrize("one_hot", [False, True])
def test_commas_that_may_separate_thousands(tmp_path, one_hot):
    path = tmp_path / "data.csv"
    path.write_text('a,y\n"1,234",1\n"12,345.5",2\n17,4\n')
    refused(
        path,
        "column 'a' has commas, such as '1,234': leave them out if they separate thousands",
        target="y",
        one_hot=one_hot,
    )


def test_numbers_stored_as_text_are_text(tmp_path):
    pd.DataFrame({"a": ["1", "2"], "y": [1, 2]}).to_parquet(tmp_path / "t.parquet")
    refused(tmp_path / "t.parquet", "column 'a' holds text such as '1'")


def test_categories_are_text_even_of_numbers(tmp_path):
    pd.DataFrame({"a": pd.Categorical(["1", "2", "3", "3"]), "y": [1, 2, 3, 4]}).to_parquet(tmp_path / "t.parquet")
    assert read_table(tmp_path / "t.parquet", "y", one_hot=True).feature_names == ("a=1", "a=2", "a=3")


def test_an_identifier_is_not_encoded(write):
    refused(write("id,y\nu,1\nv,2\nw,3\n"), "'id' has another text in every row", one_hot=True)


def test_encoded_names_may_not_collide(write):
    refused(write("a,a=v,y\nu,1,1\nv,2,2\n"), "more than one column named 'a=v'", one_hot=True)


def test_dates_are_refused_even_with_one_hot(tmp_path):
    for day in (datetime.date(2020, 1, 1), pd.Timestamp("2020-01-01")):
        pd.DataFrame({"day": [day] * 3, "y": [1, 2, 3]}).to_parquet(tmp_path / "t.parquet")
        refused(tmp_path / "t.parquet", "'day' is not numeric but of kind date", one_hot=True)


def test_missing_values_are_refused_or_dropped(write):
    path = write("a,b,w,y\n1,2,1,3\n2,,1,5\n3,5,1,\n4,2,,2\n5,5,2,7\n")
    refused(path, r"3 of 5 rows miss a value, in 'b', 'y', 'w': --drop-missing", sample_weight="w")
    table = read_table(path, "y", drop_missing=True, sample_weight="w")
    assert table.X.tolist() == [[1, 2], [5, 5]]
    assert (table.y.tolist(), table.sample_weight.tolist()) == ([3, 7], [1, 2])
    assert table.notes == ("3 of 5 rows miss a value, in 'b', 'y', 'w': dropped",)


def test_levels_of_dropped_rows_are_not_encoded(write):
    path = write("a,city,y\n1,Rome,1\n,Oslo,2\n3,Bern,3\n4,Bern,2\n")
    assert read_table(path, "y", one_hot=True, drop_missing=True).feature_names == ("a", "city=Rome")


def test_an_empty_column_leaves_no_row(write):
    path = write("a,b,y\n1,,3\n2,,5\n")
    refused(path, "every row misses a value, in 'b'")
    refused(path, "every row misses a value, in 'b'", drop_missing=True)
    assert read_table(path, "y", ignore=["b"]).X.tolist() == [[1], [2]]


# -- bad tables -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("a,b,y\n", "header but no rows"),
        ("a,b,y\n1,2,3\n2,1\n", "line 3 has 2 fields, but the header has 3"),
        ("a,b,y\n1,2,3\n\n2,1,4,5\n", "line 4 has 4 fields, but the header has 3"),
        ("a,b,y\n1,2,3\n1,2,3,4\n" * 2, "line 3 has 4"),
        ('a,b,y\n1,2,3\n"2,1,5\n3,4,5\n', "not well-formed"),
        ("a,a,y\n1,2,3\n", "more than one column named 'a'"),
        ("a,é,y\n1,2,3\n".encode("latin-1"), "line 1 is not UTF-8"),
        (GOOD.encode() + b"\xff,1,2\n", "line 5 is not UTF-8"),
        (GOOD.encode("utf-16"), "not a text file in UTF-8"),
        (bytes(range(256)) * 40, "not a text file in UTF-8"),
        ("a,b,y\n1,inf,3\n2,1,5\n", "infinite values in 'b'"),
        ("a,y\n1,high\n2,3\n", "column 'y' holds text such as 'high': the target"),
        ("y\n1\n2\n", "no column is left to predict 'y'"),
        ("1,2,3\n2,1,5\n", "there are '1', '2', '3'. The first line should name the columns"),
        ("a,Y,b\n1,2,3\n", "no column 'y'; did you mean 'Y'"),
    ],
)
def test_bad_text_is_one_sentence(write, content, match):
    refused(write(content), match)


def test_columns_that_are_not_there(write):
    path = write(GOOD)
    refused(path, "target is missing.*there are 'a', 'b', 'y'", target=None)
    refused(path, "weights: there is no column 'w'", sample_weight="w")
    refused(path, "ignore: there is no column 'c'", ignore=["c"])


def test_unreadable_sources(tmp_path, write):
    refused("diabtes", "neither a file nor a data set; did you mean 'diabetes'")
    refused(tmp_path / "none.csv", "neither a file nor a data set")
    refused(tmp_path, "is a directory")
    refused(write(GOOD, "table.xlsx"), "ends in .csv, .tsv, .parquet or .npz, not in '.xlsx'")
    refused(write("no parquet", "t.parquet"), "not a readable .parquet file")
    refused(write("", "t.npz"), "not a readable .npz file")
    refused(write(GOOD) / "inside.csv", "cannot be read: Not a directory")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="the superuser may read everything")
def test_no_permission(write):
    path = write(GOOD)
    path.chmod(0)
    refused(path, "cannot be read: Permission denied")


def test_bad_npz(tmp_path, write):
    garbage = write(b"garbage" * 100, "g.npz")
    refused(garbage, "holds more than plain arrays")
    for arrays, match in [
        ({"X": np.array([[1, None]], dtype=object), "y": [1.0]}, "more than plain arrays"),
        ({"Z": np.eye(2)}, "must hold an array X of shape"),
        ({"X": np.ones(3), "y": np.ones(3)}, r"X must have shape \(n, d\)"),
        ({"X": np.eye(3), "y": np.ones(2)}, r"y must have shape \(3,\)"),
        ({"X": np.eye(3)}, "no column 'y'"),
        ({"X": np.eye(3) * 1j, "y": np.ones(3)}, "'x0' must hold real numbers"),
        ({"X": np.eye(2), "y": np.ones(2), "feature_names": ["a"]}, "1 names for 2 columns"),
        ({"X": np.eye(2), "y": np.ones(2), "feature_names": ["a", "y"]}, "more than one column named 'y'"),
        ({"X": np.array([[np.nan]]), "y": np.ones(1)}, "misses a value"),
    ]:
        np.savez(tmp_path / "t.npz", **arrays)
        refused(tmp_path / "t.npz", match)
    np.save(tmp_path / "a.npy", np.eye(2))
    (tmp_path / "a.npy").rename(tmp_path / "a.npz")
    refused(tmp_path / "a.npz", "holds a single array")


def test_a_truncated_npz(tmp_path):
    np.savez_compressed(tmp_path / "t.npz", X=np.random.default_rng(0).random((50, 50)), y=np.ones(50))
    whole = (tmp_path / "t.npz").read_bytes()
    middle = len(whole) // 2
    (tmp_path / "t.npz").write_bytes(whole[:middle])
    refused(tmp_path / "t.npz", "not a readable .npz file")
    (tmp_path / "t.npz").write_bytes(whole[:middle] + bytes(64) + whole[middle + 64 :])
    refused(tmp_path / "t.npz", "not a readable .npz file")


def test_missing_pandas_is_one_sentence(write, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    refused(write(GOOD), r"needs pandas and pyarrow: pip install 'lassoflow\[frame\]'")
    assert read_table("diabetes").X.shape == (442, 10)


def test_long_lists_are_cut():
    assert listed([f"c{j}" for j in range(7)]) == "'c0', 'c1', 'c2', 'c3', 'c4' and 2 more"


# -- designs ----------------------------------------------------------------------------------------------------------


def test_gaussian_has_the_promised_moments():
    n, d = 20000, 6
    X, y, coef = gaussian(n, d, n_signals=3, rho=-0.6, snr=4.0, seed=1)
    covariance = (-0.6) ** np.abs(np.subtract.outer(np.arange(d), np.arange(d)))
    assert np.abs(X.T @ X / n - covariance).max() < 0.05
    assert np.flatnonzero(coef).tolist() == [0, 2, 5]
    assert set(np.abs(coef)) == {0.0, 1.0}
    noise = y - X @ coef
    assert coef @ covariance @ coef / noise.var() == pytest.approx(4.0, rel=0.05)


def test_gaussian_is_reproducible_and_has_edges():
    assert np.array_equal(gaussian(5, 4, 2, seed=3).y, gaussian(5, 4, 2, seed=3).y)
    assert not np.array_equal(gaussian(5, 4, 2, seed=3).y, gaussian(5, 4, 2, seed=4).y)
    X, y, coef = gaussian(1, 1, 1, snr=np.inf)
    assert np.array_equal(X @ coef, y)
    assert not gaussian(3, 2, 0).coef.any()
    for bad in ({"n": 0}, {"n_signals": 3}, {"n_signals": -1}, {"rho": 1.0}, {"snr": 0.0}, {"rho": np.nan}):
        with pytest.raises(ValueError):
            gaussian(**{"n": 3, "d": 2, "n_signals": 1, **bad})


def test_diabetes_quadratic_is_efrons_design():
    X, y, names = diabetes_quadratic()
    assert X.shape == (442, 64)
    assert len(set(names)) == 64
    assert "sex^2" not in names
    assert np.allclose(X.mean(axis=0), 0, atol=1e-15)
    assert np.allclose((X**2).sum(axis=0), 1)
    assert np.linalg.matrix_rank(X) == 64
    table = read_table("diabetes_quadratic")
    assert np.array_equal(table.X, X)
    assert np.array_equal(table.y, y)
    product = X[:, names.index("bmi")] * X[:, names.index("bp")]
    assert np.corrcoef(product, X[:, names.index("bmi*bp")])[0, 1] == pytest.approx(1)
