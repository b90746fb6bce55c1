"""Published figures made anew: every claim is held against theory, every picture renders without a warning."""

import csv
import functools
import io
import subprocess
import sys

import numpy as np
import pytest
from scipy.optimize import linprog

import lassoflow as lf
from lassoflow.archive import as_csv
from lassoflow.figures import FIGURES, Reproduction
from lassoflow.figures.berthier_paths import SCALE, instances
from lassoflow.figures.reproduction import lasso_gap, lasso_value, listed, slope, stacked, without_mean
from lassoflow.figures.saddles import SCALES
from lassoflow.figures.zhao_jumps import JUMPS, SADDLES

NAMES = (
    "berthier_paths", "berthier_monotone", "saddles", "zhao_jumps", "zhao_layers", "depth_ladder", "vaskevicius",
    "layer_rates", "step_size", "l1_rates", "tightness",
    "realistic_scales", "kernel_to_rich", "scalar_roots", "kinds_map", "deep_rates", "error_ratios",
    "selection_study",
)  # fmt: skip


@functools.cache
def made(name: str, seed: int = 0) -> Reproduction:
    return FIGURES[name].run(True, seed)


def same(one: Reproduction, other: Reproduction) -> bool:
    """Whether all tables agree bit by bit."""
    assert one.data.keys() == other.data.keys()
    return all(as_csv(table) == as_csv(other.data[name]) for name, table in one.data.items())


# -- the registry -----------------------------------------------------------------------------------------------------


def test_registry():
    assert tuple(FIGURES) == NAMES
    for name, figure in FIGURES.items():
        assert figure.name == name
        assert figure.title
        assert "\n" not in figure.title
        assert figure.paper


@pytest.mark.parametrize("name", NAMES)
def test_tables_and_sentence(name):
    one = made(name)
    assert one.sentence.startswith("published: ")
    assert "here" in one.sentence
    assert "\n" not in one.sentence
    assert "BROKEN" not in one.sentence
    assert all(type(key) is str and np.ndim(value) == 0 for key, value in one.numbers.items())
    for table in one.data.values():
        assert len({column.shape for column in table.values()}) == 1
        assert all(column.ndim == 1 for column in table.values())


@pytest.mark.parametrize("name", NAMES)
def test_deterministic(name):
    again = FIGURES[name].run(True, 0)
    assert same(made(name), again)
    assert made(name).sentence == again.sentence


@pytest.mark.parametrize("name", ["berthier_paths", "berthier_monotone", "saddles", "zhao_layers", "depth_ladder"])
def test_the_seed_matters(name):
    assert not same(made(name), made(name, seed=1))


@pytest.mark.parametrize("name", NAMES)
def test_draws_without_warnings(name):
    pytest.importorskip("matplotlib").use("Agg")
    files = made(name).files(name)
    assert files[f"{name}.png"].startswith(b"\x89PNG")
    assert files[f"{name}.txt"].decode().strip() == made(name).sentence
    assert len(files) == 2 + len(made(name).data)


@pytest.mark.parametrize(("kind", "head"), [("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_other_kinds_of_pictures(kind, head):
    pytest.importorskip("matplotlib")
    assert made("zhao_jumps").picture(kind).startswith(head)


def test_matplotlib_is_imported_for_drawing_only():
    code = "import sys; from lassoflow.figures import FIGURES; FIGURES['zhao_jumps'].run(True, 0); "
    code += "assert not any(name.startswith('matplotlib') for name in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize("name", ["berthier_paths", "kinds_map"])
def test_nothing_on_the_page_overlaps(name):
    """Names beside curves, in the picture with the most of them, and letters on a map."""
    Canvas = pytest.importorskip("matplotlib.figure").Figure
    one = made(name)
    canvas = Canvas(figsize=one.size, layout="constrained")
    one.draw(canvas)
    canvas.draw_without_rendering()
    for ax in canvas.axes:
        boxes = [text.get_window_extent() for text in ax.texts]
        assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[:k])


def test_csv_round_trip():
    table = {"x": np.array([0.1, np.inf, 1e-300]), "name": np.array(["a,b", "c", '"'])}
    rows = list(csv.reader(io.StringIO(as_csv(table).decode())))
    assert rows[0] == ["x", "name"]
    assert [float(row[0]) for row in rows[1:]] == table["x"].tolist()
    assert [row[1] for row in rows[1:]] == table["name"].tolist()


# -- what they share --------------------------------------------------------------------------------------------------


def test_losses_without_mean():
    X, y, x = np.random.default_rng(0).standard_normal((5, 3)), np.arange(5.0), np.array([1.0, -2.0, 0.5])
    assert without_mean(X, y).loss(x) == pytest.approx(np.sum((y - X @ x) ** 2) / 2, rel=1e-13)


def test_gap_is_the_difference_of_objectives():
    rng = np.random.default_rng(0)
    problem = lf.LeastSquares(rng.standard_normal((20, 6)), 1e3 * rng.standard_normal(20))
    lasso, s = lf.lasso_path(problem), np.array([1e-3, 0.01, 1.0, 30.0])
    coef = lasso(s) + 100 * rng.standard_normal((4, 6))
    expected = problem.loss(coef) + np.abs(coef).sum(axis=1) / s - lasso_value(lasso, s)
    np.testing.assert_allclose(lasso_gap(lasso, coef, s), expected, rtol=1e-9)
    assert (np.abs(lasso_gap(lasso, lasso(s), s)) < 1e-13 * lasso_value(lasso, s)).all()


def test_words_and_slopes():
    assert listed([1, 2, 3], "d") == "1, 2 and 3"
    assert listed([0.5]) == "0.5"
    assert slope([0.0, 1.0, 2.0], [1.0, 3.0, 5.0]) == pytest.approx(2.0)
    assert stacked([{"a": np.arange(2)}, {"a": np.arange(1)}])["a"].tolist() == [0, 1, 0]


# -- the claims -------------------------------------------------------------------------------------------------------


def test_berthier_paths():
    one = made("berthier_paths")
    # the limit has no gap where the path is monotone, and one wherever it is not
    assert one.numbers["largest_limit_gap_monotone"] < 1e-12
    table = one.data["paths"]
    for number in (3, 4):
        assert table["relative_gap_limit"][table["instance"] == number].max() > 1e-6
    assert one.numbers["median_monotone"] < 0.5 * one.numbers["median_non_monotone"]
    # published: all below 0.04; THEORY: medians 0.0094 and 0.030 and maxima 0.021 and 0.084 on 25 of either kind
    assert one.numbers["largest_monotone"] < 0.03
    assert one.numbers["largest_non_monotone"] < 0.12


def test_berthier_paths_keep_the_bound():
    for case in [case for case, _ in zip(instances(3), range(5), strict=False)]:
        assert lf.compare(lf.gradient_flow(case.problem, lf.ProductNetwork(scale=SCALE))).holds


def test_berthier_monotone():
    numbers = made("berthier_monotone").numbers
    assert abs(numbers["errors_apart"]) < 3
    assert numbers["share_coefficients_monotone"] == pytest.approx(0.5, abs=0.11)
    assert numbers["share_coefficients_monotone"] <= numbers["share"]


def test_saddles():
    one = made("saddles")
    # the dual converges like 1 / log(1 / scale)
    logs = np.log(-np.log(SCALES))
    apart = np.log([one.numbers[f"dual_apart_{scale:g}"] for scale in SCALES])
    assert slope(logs, apart) == pytest.approx(-1.0, abs=0.15)
    assert one.numbers["jumps"] >= 4
    # the limit's loss never rises
    limit = np.isneginf(one.data["flows"]["log10_scale"])
    loss = one.data["flows"]["loss"][limit]
    assert (np.diff(loss) <= 1e-12 * loss[0]).all()


def test_zhao_jumps():
    one = made("zhao_jumps")
    jumps = one.data["jumps"]
    np.testing.assert_allclose(jumps["limit"], JUMPS, rtol=1e-9)
    np.testing.assert_allclose(np.stack([jumps[f"limit_k{j}"] for j in range(1, 5)], axis=1), SADDLES, atol=1e-9)
    assert one.numbers["network_apart"] < 1e-6
    assert one.numbers["network_jumps_apart"] < 0.05


@pytest.mark.parametrize("seed", [0, 1])
def test_zhao_layers(seed):
    one = made("zhao_layers", seed)
    random = np.random.default_rng(seed)
    X, y = random.standard_normal((3, 8)), random.standard_normal(3)
    stages, neurons = one.data["stages"], one.data["neurons"]
    up, down, end = (neurons[name].reshape(3, 8) for name in ("growth_time_up", "growth_time_down", "end"))
    for times, found in zip(np.hstack([up, down]), end, strict=True):
        program = linprog(times, A_eq=np.hstack([X, -X]), b_eq=y)
        np.testing.assert_allclose(found, program.x[:8] - program.x[8:], rtol=0, atol=1e-9 * np.abs(found).max())
    favoured = int(one.numbers["favoured"]) - 1
    assert up[1, favoured] == pytest.approx(up[0, favoured] / 5, rel=1e-12)
    assert ((np.abs(end[1]) > 1e-6) != (np.abs(end[0]) > 1e-6)).any()
    np.testing.assert_allclose([up[2], down[2]], np.pi / 2, rtol=1e-13)  # int_0^inf dz / (z^2 + 1)
    assert one.numbers["l1_equal"] == pytest.approx(one.numbers["least_l1"], rel=1e-8)
    np.testing.assert_allclose(stages["observed"], stages["predicted"], rtol=2e-3)
    rate = X.T @ y
    growth = np.where(rate > 0, up, down) / np.abs(rate)
    np.testing.assert_allclose(stages["predicted"][stages["stage"] == 1], growth.min(axis=1), rtol=1e-12)


@pytest.mark.parametrize("seed", [0, 1])
def test_depth_ladder(seed):
    numbers = made("depth_ladder", seed).numbers
    for depth in (2, 3, 4, 6):
        for what in ("gap", "distance"):
            expected = numbers[f"{what}_expected_{depth}"]
            assert numbers[f"{what}_power_{depth}"] == pytest.approx(expected, abs=0.05 if depth == 2 else 0.01)


@pytest.mark.parametrize("seed", [0, 1])
def test_l1_rates(seed):
    numbers = made("l1_rates", seed).numbers
    for noise in ("0", "0.03", "0.1", "0.4"):
        assert numbers[f"fitted_noise_{noise}"] == pytest.approx(numbers[f"rate_noise_{noise}"], abs=0.002)
    for depth in (3, 4, 6):
        assert numbers[f"fitted_depth_{depth}"] == pytest.approx(1.0, abs=0.002)


@pytest.mark.parametrize("seed", [0, 1])
def test_kernel_to_rich(seed):
    numbers = made("kernel_to_rich", seed).numbers
    assert numbers["l2_error"] > 3 * numbers["l1_error"]
    for depth in (2, 3, 4, 5):
        assert numbers[f"large_{depth}"] == pytest.approx(numbers["l2_error"], rel=1e-3)
        assert numbers[f"small_{depth}"] == pytest.approx(numbers["l1_error"], rel=0.7 if depth == 2 else 0.05)
    assert numbers["reached_3"] > numbers["reached_2"]


def test_vaskevicius():
    numbers = made("vaskevicius").numbers
    # the flow is unbiased: it does as well as least squares on the signals; the lasso and the average do not
    assert numbers["flow"] == pytest.approx(numbers["oracle"], rel=0.05)
    assert numbers["limit"] <= numbers["oracle"] * (1 + 1e-9)
    assert numbers["lasso"] > 3 * numbers["flow"]
    assert numbers["average"] == pytest.approx(numbers["lasso"], rel=0.25)
    assert numbers["flow_s"] < numbers["lasso_s"]


@pytest.mark.parametrize("seed", [0, 1])
def test_layer_rates(seed):
    one = made("layer_rates", seed)
    losses = one.data["losses"]
    assert (losses["excess"] <= losses["bound"] * (1 + 1e-9)).all()
    assert one.numbers["slowest"] >= 1.0
    # the bound is an exponential; unequal layers raise its rate
    for depth in (2, 3, 4):
        assert one.numbers[f"rate_gain_{depth}"] > 1.0
        of = (losses["depth"] == depth) & (losses["start"] == losses["start"][0])
        t, fall = losses["t"][of], -np.log(losses["bound"][of])
        np.testing.assert_allclose(fall, fall[-1] / t[-1] * t, rtol=1e-6, atol=1e-14)
    # from small scales deeper is slower, by the power of the clock; near 1 it is faster
    times, scales = (one.data["times"][name].reshape(3, -1) for name in ("training_time", "scale"))
    assert (np.diff(times[:, 0]) > 0).all()
    assert (times[1:, -1] < times[0, -1]).all()
    assert all(scales[0, 0] < one.numbers[f"faster_from_{depth}"] < scales[0, -1] for depth in (3, 4))


def test_step_size():
    numbers = made("step_size").numbers
    # small full-batch steps end where the flow does
    assert numbers["GD_smallest_step"] == pytest.approx(numbers["flow"], rel=0.01)
    # large steps help SGD, and hinder GD at the edge of stability
    assert numbers["SGD_largest_step"] < 0.6 * numbers["flow"]
    assert numbers["GD_largest_step"] > 1.5 * numbers["flow"]
    # the reason published: the fall of the effective scale is nearly uniform for SGD, concentrated for GD
    assert numbers["SGD_gain_on_over_off"] < 2.0 < numbers["GD_gain_on_over_off"]


@pytest.mark.parametrize("seed", [0, 1])
def test_tightness(seed):
    one = made("tightness", seed)
    upper, lower = one.data["bounds"]["upper"], one.data["bounds"]["lower"]
    assert (upper >= 1.0).all()
    assert (lower <= 1.0).all()
    for depth in (2, 3, 4):
        assert 1.0 <= one.numbers[f"upper_equal_{depth}"] <= 1.02
        assert one.numbers[f"upper_unequal_{depth}"] > 1.05
        assert abs(one.numbers[f"limit_unequal_{depth}"] - 1.0) < 0.02


@pytest.mark.parametrize("seed", [0, 1])
def test_realistic_scales(seed):
    table = made("realistic_scales", seed).data["errors"]
    error = table["error"].reshape(4, -1)
    assert (np.diff(error[0]) > 0).all()  # a larger scale is a larger error, at depth 2
    assert error[1, 0] < error[0, 0]  # and depth 3 is better from the same small scale


def test_scalar_roots():
    one = made("scalar_roots")
    assert one.numbers["tie"] > 0.0  # at lambda_g two minima of one value, and the small root between them above
    assert [one.numbers[f"at_critical_{depth}"] for depth in (2, 3, 4)] == pytest.approx([0.0, 1 / 4, 1 / 3], abs=1e-12)
    roots = one.data["roots"]
    assert (roots["small"] <= roots["large"]).all()
    for depth in (2, 3, 4):
        assert (np.diff(roots["large"][roots["depth"] == depth]) < 0).all()


def test_kinds_map():
    """At depth 2 no minimum is spurious; at depth 3 up to two are, and the regions are those of the thresholds."""
    numbers = made("kinds_map").numbers
    assert (numbers["regions_2"], numbers["regions_3"], numbers["misses"]) == (3, 6, 0)
    table = made("kinds_map").data["kinds"]
    assert set(table["minima"][table["depth"] == 2]) == {1}
    assert set(table["minima"][table["depth"] == 3]) == {1, 2, 3}


@pytest.mark.parametrize("seed", [0, 1])
def test_deep_rates(seed):
    numbers = made("deep_rates", seed).numbers
    for depth in (2, 3, 4, 6):
        assert numbers[f"rate_{depth}"] == pytest.approx(numbers[f"predicted_{depth}"], rel=0.05)
    assert numbers["exponent_2"] == pytest.approx(-1.5, abs=0.1)
    assert numbers["exponent_3"] == pytest.approx(-2.0, abs=0.1)
    table = made("deep_rates", seed).data["critical"]
    assert table["gradient"][table["degenerate"] == 0].min() < 1e-11 < table["gradient"][table["degenerate"] == 1].min()


@pytest.mark.parametrize("seed", [0, 1])
def test_error_ratios(seed):
    one = made("error_ratios", seed)
    table = one.data["generic"]
    near = table["distance"] < 1e-4
    assert (table["ratio"][near] <= 1.01 * table["kappa"][near]).all()
    for depth in (2, 3, 4, 6):
        assert 0.99 <= one.numbers[f"last_{depth}"] / one.numbers[f"kappa_{depth}"] <= 1.01
    assert one.numbers["power_2"] == pytest.approx(-2.0, abs=0.02)
    assert one.numbers["power_3"] == pytest.approx(-1.0, abs=0.02)


def test_selection_study():
    """Along sparse supports paths are monotone, so that flow and lasso have the same blends; both leave out more."""
    one = made("selection_study")
    table = one.data["metrics"]
    assert np.unique(table["setting"]).tolist() == ["high-5", "low", "medium"]
    for snr in np.unique(table["snr"]):
        of = (table["setting"] == "medium") & (table["snr"] == snr)
        risk = dict(zip(table["method"][of], table["relative_risk"][of], strict=True))
        assert risk["blend"] == pytest.approx(risk["relaxed lasso"], rel=0.02)
    high = (table["setting"] == "medium") & (table["snr"] > 1.0)
    nonzeros = dict(zip(table["method"][high], table["nonzeros"][high], strict=True))
    assert nonzeros["blend"] < nonzeros["lasso"]
    assert one.numbers["blend_minus_relaxed_lasso_above"] == 0
