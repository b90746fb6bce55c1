"""The report page: what it holds, for every kind of subject; how it fails. The browser's part is in another file."""

import base64
import json
import re

import numpy as np
import pandas as pd
import pytest

import lassoflow as lf
from lassoflow.reports.hardening import stops
from lassoflow.reports.subject import read_subject
from lassoflow.reports.tracks import track

pytest.importorskip("bokeh")

LARGEST = 3_000_000
NAMES = ["<script>alert(1)</script>", "x" * 80, "年齢（歳）", "доход & </script>", "\"q' {{7*7}}", "f", "g", "h"]


def data(n=60, d=8, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d)) + 0.5 * rng.standard_normal((n, 1))
    names = [*NAMES, *(f"f{j}" for j in range(d))][:d]
    coef = np.zeros(d)
    coef[:3] = [2.0, -1.0, 1.5][: min(d, 3)]
    return pd.DataFrame(X, columns=names), X @ coef + rng.standard_normal(n)


def problem_of(n=60, d=8):
    return lf.LeastSquares(*data(n, d), fit_intercept=True)


def payload(file):
    """What the script of a page is given."""
    return json.loads(re.search(r'id="payload">(.*?)</script>', file.read_text(), re.DOTALL).group(1))


def made(tmp_path, shown, **options):
    file = tmp_path / "page.html"
    lf.report(shown, file, **options)
    assert file.stat().st_size < LARGEST
    text = file.read_text()
    return text[: text.index('id="payload"')], payload(file)


def test_everything_is_in_the_file(tmp_path):
    page, found = made(tmp_path, lf.limit_flow(problem_of(), "std"))
    whole = (tmp_path / "page.html").read_text()
    assert not re.search(r"<(link|img|iframe|object|embed)\b|<script[^>]*\ssrc=", page)
    assert "default-src 'none'" in page
    assert whole.count("</script>") == 3  # the numbers, the library, the page's own
    assert len(found["stops"]) == 6
    assert found["lasso"] is not None
    assert [entry.name for entry in tmp_path.iterdir()] == ["page.html"]


def test_names_are_text(tmp_path):
    page, found = made(tmp_path, lf.limit_flow(problem_of(), "std"))
    assert "<script>alert" not in (tmp_path / "page.html").read_text()
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert set(found["names"]) == set(NAMES)


def test_the_certificate_is_said_in_words(tmp_path):
    path = lf.limit_flow(problem_of(40, 60), "std")
    page, _ = made(tmp_path, path)
    certificate = lf.compare(path)
    until = certificate["lasso monotone up to s"].value
    assert np.isfinite(until)
    assert f"Up to s = {until:.4g} the average of the trained network is the lasso path; after that" in page
    assert f"at most {100 * certificate.checks[-1].value:.2g} % of std(y) apart" in page


def test_chosen_coefficients_with_refit_and_shrunken_values(tmp_path):
    X, y = data()
    model = lf.FlowRegressorCV(penalty_factor="std", cv=4).fit(X, y)
    page, found = made(tmp_path, model, problem=lf.LeastSquares(X, y, fit_intercept=True), target="price")
    assert "cv" in found["charts"]
    assert "model = lf.FlowRegressorCV(cv=4, penalty_factor=&#39;std&#39;).fit(X, y)" in page
    assert "lf.report(model, &#34;report.html&#34;, problem=problem, target=&#39;price&#39;)" in page
    assert str(model.selection_)[:60] in page
    row = re.search(r'<td class="name">f</td>(.*?)</tr>', page)
    s, path = model.selection_.s, model.path_
    wanted = [view(s)[5] for view in (path, path.relaxed(0.0), path.relaxed(1.0))]
    if row is None:
        assert not any(wanted)
    else:
        cells = [float(cell) for cell in re.findall(r'<td class="n">(.*?)</td>', row.group(1))]
        assert cells[:3] == pytest.approx(wanted, rel=1e-5)


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda X, y: lf.lasso_path(lf.LeastSquares(X, y)), "extended BIC along the lasso"),
        (lambda X, y: lf.gradient_flow(lf.LeastSquares(X, y), lf.ProductNetwork(1e-8), until=50.0), "beside its limit"),
        (lambda X, y: lf.gradient_flow(lf.LeastSquares(X, y), lf.PowerNetwork(3, 1e-6), until=50.0), "PowerNetwork"),
        (lambda X, y: lf.gradient_flow(lf.LeastSquares(X, y), lf.SquareNetwork(2.0), until=5.0), "training time"),
        (lambda X, y: lf.gradient_descent(lf.LeastSquares(X, y), lf.ProductNetwork(1e-3), n_steps=200), "descent"),
        (lambda X, y: lf.limit_flow(lf.LeastSquares(X, y), positive=True), "differ by sign"),
        (lambda X, y: lf.limit_flow(lf.LeastSquares(X, y), penalty_factor=[0.0, *[1.0] * 7]), "free features"),
        (lambda X, y: lf.lasso_path(lf.LeastSquares(X, y)).relaxed(0.3), "the lasso"),
        (lambda X, y: lf.limit_flow(lf.Logistic(X, y > 0)), "shown for least squares"),
        (lambda X, y: lf.lasso_path(lf.Logistic(X, y > 0), lambda_min=0.01), "features"),
        (lambda X, y: lf.ExactLasso(0.1).fit(X, y), "Fitted at s = 10, as asked"),
        (lambda X, y: lf.ExactLassoCV(cv=3).fit(X, y), "3-fold cross-validation"),
        (lambda X, y: lf.FlowRegressorIC("bic").fit(X, y), "Chosen by the BIC"),
        (lambda X, y: lf.FlowRegressor(0.1, depth=3, scale=1e-6).fit(X, y), "The data did not come with this path"),
        (lambda X, y: lf.FlowClassifier(0.05).fit(X, y > 0), "The data did not come with this path"),
        (lambda X, y: lf.FlowClassifierCV(cv=3).fit(X, y > 0), "3-fold cross-validation"),
        (lambda X, y: lf.FlowClassifier(0.05).fit(X, np.digitize(y, [-1, 1])), "3 classes"),
        (lambda X, y: lf.FlowRegressorCV(cv=3).fit(X, np.column_stack([y, -y])), "2 responses; the page shows the fir"),
    ],
)  # fmt: skip
def test_every_kind_of_subject(tmp_path, make, sentence):
    X, y = data()
    page, _ = made(tmp_path, make(X, y))
    assert sentence in page


@pytest.mark.parametrize("y", [np.zeros(5), np.array([1.0, 2.0, 3.0, 5.0, 8.0])])
@pytest.mark.parametrize("d", [1, 3])
def test_degenerate_data(tmp_path, d, y):
    X = np.random.default_rng(0).standard_normal((5, d))
    for path in (lf.lasso_path(lf.LeastSquares(X, y)), lf.limit_flow(lf.LeastSquares(X, y, fit_intercept=True), "std")):
        page, found = made(tmp_path, path)
        assert ("ever active" in page) or ("ever nonzero" in page)
        assert len(found["names"]) == (d if y.any() else 0)


def test_a_loaded_path_and_its_problem(tmp_path):
    problem = problem_of()
    lf.limit_flow(problem, "std").save(tmp_path / "p.npz")
    loaded = lf.load(tmp_path / "p.npz")
    page, found = made(tmp_path, loaded)
    assert "The data did not come with this path" in page
    assert (found["lasso"], found["null_loss"]) == (None, None)
    page, found = made(tmp_path, loaded, problem=problem)
    assert "The data did not come" not in page
    assert found["lasso"] is not None


def test_tracks_are_the_paths():
    problem = problem_of(30, 50)
    subject = read_subject(lf.limit_flow(problem, "std"))
    everything = np.arange(50)
    for path in (subject.lasso, subject.flow, subject.flow.averaged()):
        found = track(path, everything, subject.scale, (0.1, 100.0))
        assert found.whole
        inner = found.s[:-1]
        np.testing.assert_array_equal(found.coef[: inner.size], path(inner) * subject.scale)
        np.testing.assert_allclose(found.loss[: inner.size], problem.loss(path(inner)))


def test_long_paths_are_thinned_and_it_is_said(tmp_path, monkeypatch):
    monkeypatch.setattr("lassoflow.reports.tracks.MOST_NODES", 10)
    monkeypatch.setattr("lassoflow.reports.content.MOST_NODES", 10)
    path = lf.lasso_path(problem_of(40, 60), "std")
    page, found = made(tmp_path, path)
    assert "Of each path 10 events are kept, evenly" in page
    s = np.frombuffer(base64.b64decode(found["lasso"]["s"]))
    assert s.size == 12  # 0, ten knots and the end
    assert set(s[1:-1]) <= set(path.knots)


def test_flows_that_take_too_long_are_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr("lassoflow.reports.hardening.TIME_LIMIT", 0.0)
    page, found = made(tmp_path, lf.lasso_path(problem_of(40, 6), "std"))
    assert "Of 5 flows from a finite initialisation 0 are shown" in page
    assert len(found["stops"]) == 1


@pytest.mark.parametrize(("x", "y"), [(1.0, 1.0), (1e-3, 1e4), (1.0, 1e-90), (1e120, 1.0)])
def test_flows_of_the_page_are_those_of_standardised_columns(x, y):
    X, response = data(40, 5)
    weights = np.random.default_rng(3).uniform(0.5, 2.0, 40)
    problem = lf.LeastSquares(x * X, y * response, weights, fit_intercept=True)
    subject = read_subject(lf.limit_flow(problem, "std"))
    start, until = subject.flow.knots[0], 20 * subject.flow.knots[0]
    found = stops(subject, np.arange(5), (start, until), print)[1]
    size = np.sqrt(np.average((response - np.average(response, weights=weights)) ** 2, weights=weights))
    other = lf.LeastSquares(x * X / problem.deviations, response / size, weights, fit_intercept=True)
    wanted = lf.gradient_flow(other, lf.ProductNetwork(log_scale=-20), until * y * size)
    for own, path in ((found.flow, wanted), (found.average, wanted.averaged())):
        values = path(np.minimum(own.s * y * size, path.domain[1])) * y * size
        np.testing.assert_allclose(own.coef, values, rtol=1e-4, atol=1e-4 * np.abs(values).max())
        losses = problem.loss(own.coef / problem.deviations)
        np.testing.assert_allclose(own.loss, losses, rtol=1e-6)


@pytest.mark.parametrize(("n", "d"), [(60, 10), (60, 500), (250, 5000)])
def test_size(tmp_path, n, d):
    X, y = data(n, d)
    X.columns = [f"{name:_<80.80}" if j > 7 else name for j, name in enumerate(X.columns)]
    page, found = made(tmp_path, lf.limit_flow(lf.LeastSquares(X, y, fit_intercept=True), "std"))
    assert len(found["names"]) == min(d, 30)
    if d == 5000:
        assert "Flows from a finite initialisation are left out: X has 1,250,000 entries" in page
        assert re.search(r"Drawn are the 30 features with the largest coefficients, of \d+ that are ever", page)
    else:
        assert len(found["stops"]) == 6


@pytest.mark.parametrize(
    ("shown", "kind", "sentence"),
    [
        (3, TypeError, "report takes a Path or a fitted estimator; got int"),
        (lf.FlowRegressor(), ValueError, "This FlowRegressor has no path; report takes fitted"),
    ],
)
def test_what_cannot_be_shown(tmp_path, shown, kind, sentence):
    with pytest.raises(kind, match=sentence):
        lf.report(shown, tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


def test_another_problem(tmp_path):
    path = lf.limit_flow(problem_of())
    with pytest.raises(ValueError, match="problem has 5 features; the path has 8"):
        lf.report(path, tmp_path / "page.html", problem=problem_of(d=5))
    with pytest.raises(ValueError, match="problem is of another response: its mean is"):
        lf.report(path, tmp_path / "page.html", problem=problem_of(n=50))
    with pytest.raises(TypeError, match="problem must be a LeastSquares"):
        lf.report(path, tmp_path / "page.html", problem=3)
    with pytest.raises(FileNotFoundError):
        lf.report(path, tmp_path / "none" / "page.html")
    assert not list(tmp_path.iterdir())


def test_without_the_libraries(tmp_path, monkeypatch):
    monkeypatch.setattr("lassoflow.reports.page.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'lassoflow\[report\]'"):
        lf.report(lf.limit_flow(problem_of()), tmp_path / "page.html")
    assert not list(tmp_path.iterdir())


def test_a_path_in_a_notebook():
    path = lf.lasso_path(problem_of(), "std")
    text = path._repr_html_()
    assert "&lt;script&gt;alert(1)" in text
    assert "<script" not in text
    assert "8 knots" in text
    assert "nonzero" in lf.limit_flow(lf.LeastSquares([[1.0]], [0.0]))._repr_html_()


# -- the command line ---------------------------------------------------------------------------------------------


@pytest.fixture
def table(tmp_path):
    X, y = data()
    X.assign(price=y).to_csv(tmp_path / "data.csv", index=False)
    return tmp_path


def test_one_command(run, table):
    code, out, err = run("report", table / "data.csv", "--target", "price", "--out", table / "page.html")
    assert (code, err) == (0, "")
    assert out == f"Written to {table / 'page.html'}.\n"
    page = (table / "page.html").read_text()
    assert "data.csv: 60 rows, 8 features, target price, an intercept." in page
    assert "of 5-fold cross-validation" in page
    assert "--target price" in page
    assert len(payload(table / "page.html")["stops"]) == 6


def test_the_choice_is_that_of_fit(run, table):
    assert run("fit", table / "data.csv", "-t", "price", "--out", table / "m.json")[0] == 0
    assert run("report", table / "data.csv", "-t", "price", "--out", table / "page.html")[0] == 0
    model, page = json.loads((table / "m.json").read_text()), (table / "page.html").read_text()
    for name, value in model["coef"].items():
        escaped = name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        escaped = escaped.replace('"', "&#34;").replace("'", "&#39;")
        cell = re.search(re.escape(f'<td class="name">{escaped}</td><td class="n">') + "(.*?)</td>", page)
        assert float(cell.group(1)) == pytest.approx(value, rel=1e-5)
    assert model["data"]["sha256"] in page


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "lasso", "--select", "1se"], "one-standard-error rule"),
        (["--select", "ebic"], "extended BIC"),
        (["--select", "s=8", "--penalty-factor", "none", "--no-intercept"], "Fitted at s = 8, as asked"),
        (["--ignore", "f", "--ignore", "g"], "60 rows, 6 features"),
    ],
)
def test_options(run, table, options, words):
    code, _, err = run("report", table / "data.csv", "-t", "price", "--out", table / "page.html", *options)
    assert (code, err) == (0, "")
    page = (table / "page.html").read_text()
    assert words in page
    asked = re.split(r" (?=--)", " ".join(options))  # in whatever order
    assert all(f" {option}" in page for option in asked)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--target", "nothing"], "nothing"),
        (["--select", "best"], "--select must be cv"),
        (["--folds", 61], "--folds must be at most the number of rows"),
        (["--out", "{folder}/none/page.html"], "--out"),
        (["--model", "network"], "network"),
    ],
)
def test_bad_requests(run, table, options, sentence):
    before = sorted(table.iterdir())
    given = [str(option).format(folder=table / "data.csv") for option in options]
    code, out, err = run("report", table / "data.csv", "-t", "price", "--out", table / "page.html", *given)
    assert (code, out) == (2, "")
    assert sentence in err
    assert err.count("\n") == 1
    assert sorted(table.iterdir()) == before


def test_bad_tables_leave_the_old_page(run, table):
    page = table / "page.html"
    page.write_text("old")
    frame = pd.read_csv(table / "data.csv")
    for change, sentence in ((frame.assign(f="text"), "'f'"), (frame.assign(f=[np.nan, *frame["f"][1:]]), "miss")):
        change.to_csv(table / "bad.csv", index=False)
        code, _, err = run("report", table / "bad.csv", "-t", "price", "--out", page)
        assert code == 2
        assert sentence in err
        assert page.read_text() == "old"


def test_numbers_come_back(tmp_path):
    path = lf.lasso_path(problem_of(), "std")
    _, found = made(tmp_path, path)
    s = np.frombuffer(base64.b64decode(found["lasso"]["s"]))
    coef = np.frombuffer(base64.b64decode(found["lasso"]["coef"]), dtype="<f4").reshape(s.size, -1)
    columns = [path.frame.feature_names.index(name) for name in found["names"]]
    wanted = np.vstack([path(s[:-1]), path.end])[:, columns] * path.problem.deviations[columns]
    np.testing.assert_allclose(coef, wanted, rtol=1e-7)
