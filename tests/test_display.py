"""Pictures of paths: the drawn arrays are the path's own values, and nothing on the page overlaps or warns."""

import io
import itertools
import subprocess
import sys

import numpy as np
import pytest

import lassoflow as lf

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
from matplotlib import font_manager  # noqa: E402
from matplotlib.colors import same_color  # noqa: E402

from lassoflow.display import Curve, PathDisplay  # noqa: E402
from lassoflow.lettering import families_for, shorten, spread  # noqa: E402

AXES = ("s", "lambda", "l1")


@pytest.fixture(autouse=True)
def _close_figures():
    yield
    plt.close("all")


def draw(display):
    """Render: most warnings of matplotlib come only then."""
    display.figure_.savefig(io.BytesIO(), format="png", dpi=50)


def make_problem(n=30, d=6, seed=0, names=None):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    y = X[:, : min(d, 5)] @ np.array([3.0, -2.0, 1.0, 0.5, -4.0])[: min(d, 5)] + rng.standard_normal(n)
    if names is not None:
        X = pytest.importorskip("pandas").DataFrame(X, columns=names)
    return lf.LeastSquares(X, y)


def both_paths(problem, **options):
    return lf.lasso_path(problem, **options), lf.limit_flow(problem, **options)


def data_of(line):
    """The x and y of a line, shape (m, 2)."""
    return np.column_stack([np.asarray(line.get_xdata()), np.asarray(line.get_ydata())])


def named_lines(display, curve=0):
    """Lines of one curve by the name of their feature."""
    names = [label.get_text() for label in display.labels_]
    return dict(zip(names, display.lines_[curve * len(names) :], strict=False))


# -- the curves -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("view", ["lasso", "limit", "refit", "average", "blend"])
def test_drawn_values_are_the_path(view):
    lasso, limit = both_paths(make_problem())
    views = {"refit": lasso.instantaneous(), "average": limit.averaged(), "blend": lasso.relaxed(0.3)}
    path = {"lasso": lasso, "limit": limit, **views}[view]
    lines = named_lines(PathDisplay.from_path(path).plot())
    assert set(lines) == {f"x{j}" for j in range(6)}
    for name, line in lines.items():
        s, coef = data_of(line).T
        exact = np.column_stack([path(s, "left"), path(s, "right")])[:, [int(name[1:]), 6 + int(name[1:])]]
        np.testing.assert_allclose(np.abs(exact - coef[:, None]).min(axis=1), 0, atol=1e-12)


def test_steps_have_both_limits_at_every_knot():
    limit = lf.limit_flow(make_problem())
    display = PathDisplay.from_path(limit).plot()
    (curve,) = display.curves
    for knot in limit.knots:
        np.testing.assert_array_equal(curve.coef[curve.s == knot], [limit(knot, "left"), limit(knot)])
    for line in display.lines_:
        steps = np.diff(data_of(line), axis=0)
        # Horizontal or vertical, never slanted: the jump is where it is.
        assert np.all((steps[:, 0] == 0) | (steps[:, 1] == 0))


def test_lasso_is_straight_in_the_norm_and_reaches_the_end():
    lasso = lf.lasso_path(make_problem())
    display = PathDisplay.from_path(lasso, x="l1").plot()
    knots = np.abs(lasso(lasso.knots)).sum(axis=1)
    for name, line in named_lines(display).items():
        norm, coef = data_of(line).T
        at_knots = [*lasso(lasso.knots)[:, int(name[1:])], lasso.end[int(name[1:])]]
        between = np.interp(norm, [*knots, np.abs(lasso.end).sum()], at_knots)
        np.testing.assert_allclose(coef, between, atol=1e-9)
        assert coef[-1] == lasso.end[int(name[1:])]


def test_a_line_begins_where_its_feature_enters():
    path = lf.lasso_path(lf.LeastSquares(np.eye(2), [2.0, 1.0]))
    lines = named_lines(PathDisplay.from_path(path).plot())
    np.testing.assert_allclose([data_of(lines[name])[0] for name in ("x0", "x1")], [[1.0, 0.0], [2.0, 0.0]])


@pytest.mark.parametrize("x", AXES)
def test_time_runs_to_the_right(x):
    lasso, limit = both_paths(make_problem())
    display = PathDisplay.from_path(lasso, limit, x=x).plot()
    left, right = display.ax_.get_xlim()
    assert (left > right) == (x == "lambda")
    assert display.ax_.get_xscale() == ("linear" if x == "l1" else "log")
    knots = np.array([segment[0][0] for segment in display.rugs_[0].get_segments()])
    expected = {"s": lasso.knots, "lambda": 1 / lasso.knots, "l1": np.abs(lasso(lasso.knots)).sum(axis=1)}[x]
    np.testing.assert_allclose(knots, expected)
    symbol = {"s": "s = 1/λ", "lambda": "λ = 1/s", "l1": "|x|₁"}[x]
    assert symbol in display.ax_.get_xlabel()


def test_features_never_active_are_left_out():
    lasso, limit = both_paths(make_problem(20, 2000))
    display = PathDisplay.from_path(lasso, limit).plot()
    ever = np.flatnonzero(
        (lasso(lasso.knots) != 0).any(axis=0) | (limit(limit.knots) != 0).any(axis=0) | (lasso.end != 0)
    )
    np.testing.assert_array_equal(display.features, ever)
    assert len(display.lines_) == 2 * len(display.labels_) == 20
    assert all(len(lines.get_paths()) == ever.size - 10 for lines in display.background_)
    draw(display)


# -- two paths --------------------------------------------------------------------------------------------------------


def test_a_feature_has_one_colour_and_a_path_one_style():
    display = PathDisplay.from_path(*both_paths(make_problem())).plot()
    first, second = named_lines(display), named_lines(display, 1)
    colours = [line.get_color() for line in first.values()]
    assert len(set(colours)) == len(first) == len(second) == 6
    assert all(same_color(first[name].get_color(), second[name].get_color()) for name in first)
    assert {line.get_linestyle() for line in first.values()} == {"-"}
    assert {line.get_linestyle() for line in second.values()} == {"--"}
    assert [text.get_text() for text in display.legend_.get_texts()] == ["lasso", "limit flow"]


def test_what_paths_are_called():
    lasso, limit = both_paths(make_problem())
    names = [curve.label for curve in PathDisplay.from_path(lasso.instantaneous(), limit.averaged()).curves]
    assert names == ["lasso refit", "limit flow average"]
    names = [curve.label for curve in PathDisplay.from_path(lasso, lasso.relaxed(0.5)).curves]
    assert names == ["lasso", "lasso, blend 0.5"]
    assert [curve.label for curve in PathDisplay.from_path(lasso, lasso).curves] == ["lasso (first)", "lasso (second)"]
    display = PathDisplay.from_path(lasso, labels=["$mine$"]).plot()
    assert display.ax_.get_ylabel() == "coefficient ($mine$)"
    assert display.legend_ is None
    draw(display)


def test_scale_multiplies_the_coefficients():
    problem = make_problem()
    path = lf.lasso_path(problem)
    plain, scaled = (PathDisplay.from_path(path, scale=scale) for scale in (None, problem.deviations))
    np.testing.assert_allclose(scaled.curves[0].coef, plain.curves[0].coef * problem.deviations)
    assert "scale" in scaled.plot().ax_.get_ylabel()


def test_draws_where_it_is_told():
    figure, axes = plt.subplots(1, 2)
    display = PathDisplay.from_path(lf.lasso_path(make_problem())).plot(axes[1], n_labels=3)
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert not axes[0].lines
    assert len(display.labels_) == 3


def test_plain_arrays_will_do():
    s = np.array([1.0, 2.0, 2.0, 4.0])
    curve = Curve("steps", s, np.array([[0.0], [0.0], [1.0], [1.0]]), np.array([2.0]))
    display = PathDisplay([curve], features=[7], feature_names=["seven"]).plot()
    np.testing.assert_array_equal(data_of(display.lines_[0]), [[2, 0], [2, 1], [4, 1]])


# -- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("height", [5.0, 1.4])
@pytest.mark.parametrize("x", AXES)
def test_names_do_not_overlap(x, height):
    path = lf.lasso_path(make_problem(50, 40))
    figure, ax = plt.subplots(figsize=(8, height), layout="constrained")
    display = PathDisplay.from_path(path, x=x).plot(ax, n_labels=40)
    figure.draw_without_rendering()
    boxes = [label.get_window_extent() for label in display.labels_]
    texts = [matplotlib.text.Text.get_window_extent(label) for label in display.labels_]
    assert len(boxes) > 3
    assert all(below.y1 <= above.y0 for above, below in itertools.pairwise(texts))
    assert all(box.x0 > 0 and box.x1 <= figure.bbox.x1 for box in boxes)
    assert all(text.x0 > ax.bbox.x1 for text in texts)
    ends = [label.xy[1] for label in display.labels_]
    assert ends == sorted(ends, reverse=True)


def test_the_largest_are_named():
    path = lf.lasso_path(make_problem(50, 40))
    display = PathDisplay.from_path(path, x="l1").plot(n_labels=4)
    largest = np.argsort(-np.abs(path.end))[:4]
    assert {label.get_text() for label in display.labels_} == {f"x{j}" for j in largest}


def test_names_are_letters_not_mathematics():
    names = ["$x^2$", "a_b", "50%", "n" * 80, " tab\tand\nline ", "возраст"]
    display = PathDisplay.from_path(lf.lasso_path(make_problem(names=names))).plot()
    shown = {label.get_text() for label in display.labels_}
    assert {"$x^2$", "a_b", "50%", "tab and line", "возраст"} < shown
    assert all(len(text) <= 24 for text in shown)
    assert not any(label.get_parse_math() for label in display.labels_)
    draw(display)


def test_names_that_no_font_has_are_numbered(monkeypatch):
    installed = [font for font in font_manager.fontManager.ttflist if "DejaVu" in font.name or "Last" in font.name]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", installed)
    names = ["", "年齢", "plain", "\t", "a年", "\x07\U000f0000"]
    display = PathDisplay.from_path(lf.lasso_path(make_problem(names=names))).plot()
    shown = {label.get_text() for label in display.labels_}
    assert shown == {"column 0", "column 1", "plain", "column 3", "column 4", "column 5"}
    draw(display)


def test_an_installed_font_helps_out():
    default, other = (
        set(font_manager.get_font(font_manager.findfont(name)).get_charmap()) for name in ("DejaVu Sans", "STIXGeneral")
    )
    name = "a" + next(chr(code) for code in sorted(other - default) if chr(code).isprintable() and code > 0x2000)
    assert families_for("plain") == matplotlib.rcParams["font.family"]
    assert len(families_for(name)) == len(matplotlib.rcParams["font.family"]) + 1
    display = PathDisplay.from_path(lf.lasso_path(make_problem(d=1, names=[name]))).plot()
    assert display.labels_[0].get_text() == name
    draw(display)


@pytest.mark.parametrize("length", [1, 2, 3, 9, 24])
def test_shortened_names_keep_both_ends(length):
    name = "beginning_" + "x" * 60 + "_end"
    short = shorten(name, length)
    assert len(short) == length
    head, tail = short.split("…")
    assert name.startswith(head)
    assert name.endswith(tail)
    assert shorten("short", 5) == "short"


@pytest.mark.parametrize("seed", range(20))
def test_spread_is_the_nearestspread(seed):
    rng = np.random.default_rng(seed)
    wanted, gap = np.sort(rng.uniform(-0.1, 1.1, 6)), 0.15
    heights = spread(wanted, gap)
    assert np.all(np.diff(heights) >= gap - 1e-12)
    assert heights[0] >= 0
    assert heights[-1] <= 1 + 1e-12
    # Any other feasible heights lie further off: the variational inequality of a projection.
    others = np.sort(rng.uniform(0, 1 - 5 * gap, (200, 6)), axis=1) + gap * np.arange(6)
    assert np.all((others - heights) @ (wanted - heights) <= 1e-12)


# -- edges ------------------------------------------------------------------------------------------------------------


def edge_cases():
    problem = make_problem(20, 5)
    lasso, limit = both_paths(problem)
    yield "no knot", both_paths(lf.LeastSquares(np.eye(3), np.zeros(3)))
    yield "one knot, d = 1", both_paths(lf.LeastSquares([[1.0]], [2.0]))
    yield "no start", (lf.lasso_path(problem, lambda_min=100.0),)
    yield "no start beside a path", (lf.lasso_path(problem, lambda_min=100.0), limit)
    yield "first stopped", (lf.lasso_path(problem, max_knots=2), limit)
    yield "second stopped", (lasso, lf.limit_flow(problem, max_knots=1))
    yield "max_knots=0", (lf.lasso_path(problem, max_knots=0),)
    yield "lambda_min far beyond the last knot", (lf.lasso_path(problem, lambda_min=1e-9),)
    yield "unpenalised", both_paths(problem, penalty_factor=[0, 1, 1, 1, 1])
    yield "all unpenalised", both_paths(problem, penalty_factor=[0] * 5)
    for c in (1e-150, 1e150):
        rng = np.random.default_rng(0)
        yield f"{c:g} y", both_paths(lf.LeastSquares(rng.standard_normal((9, 3)), c * rng.standard_normal(9)))
        yield f"{c:g} X", both_paths(lf.LeastSquares(c * rng.standard_normal((9, 3)), rng.standard_normal(9)))


@pytest.mark.parametrize("x", AXES)
@pytest.mark.parametrize("paths", [pytest.param(paths, id=name) for name, paths in edge_cases()])
def test_edge_cases_neither_crash_nor_warn(paths, x):
    display = PathDisplay.from_path(*paths, x=x).plot()
    draw(display)
    assert len(display.rugs_) == len(display.background_) == len(paths)
    assert np.all(np.isfinite([*display.ax_.get_xlim(), *display.ax_.get_ylim()]))


def test_a_stopped_path_is_not_drawn_beyond_its_end():
    problem = make_problem()
    stopped, limit = lf.lasso_path(problem, max_knots=3), lf.limit_flow(problem)
    display = PathDisplay.from_path(stopped, limit).plot()
    assert display.curves[0].s[-1] == stopped.domain[1] < display.curves[1].s[-1]
    assert all(label.xy[0] == display.curves[1].s[-1] for label in display.labels_)


def test_loaded_paths_look_the_same(tmp_path):
    lasso = lf.lasso_path(make_problem())
    lasso.save(tmp_path / "lasso.npz")
    saved, loaded = (PathDisplay.from_path(path).plot() for path in (lasso, lf.load(tmp_path / "lasso.npz")))
    for one, other in zip(saved.lines_, loaded.lines_, strict=True):
        np.testing.assert_array_equal(data_of(one), data_of(other))


def test_bad_arguments():
    path = lf.lasso_path(make_problem())
    with pytest.raises(ValueError, match="x must be 's', 'lambda' or 'l1'; got 'time'"):
        PathDisplay.from_path(path, x="time")
    with pytest.raises(ValueError, match="same features"):
        PathDisplay.from_path(path, lf.lasso_path(make_problem(d=3)))
    with pytest.raises(ValueError, match="labels must name each path; got 2 for 1"):
        PathDisplay.from_path(path, labels=["a", "b"])
    with pytest.raises(ValueError, match=r"scale must have shape \(6,\)"):
        PathDisplay.from_path(path, scale=[1.0])
    with pytest.raises(ValueError, match="n_labels must be >= 0"):
        PathDisplay.from_path(path).plot(n_labels=-1)


def test_without_matplotlib(monkeypatch):
    display = PathDisplay.from_path(lf.lasso_path(make_problem()))
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match=r"needs matplotlib: pip install 'lassoflow\[plot\]'"):
        display.plot()


def test_matplotlib_is_not_imported_before_it_is_needed():
    code = "import sys, lassoflow.display; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
