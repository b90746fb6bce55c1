"""The picture of a cross-validation shows what was chosen, and from what."""

from __future__ import annotations

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

import lassoflow as lf

matplotlib.use("Agg")
RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 30))
Y = X[:, :3] @ [1.0, -1.0, 0.5] + RNG.standard_normal(60)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_the_paired_choice_is_marked():
    chosen = lf.select_by_cv(X, Y, "flow", rule="paired")
    display = lf.SelectionDisplay.from_selection(chosen).plot()
    assert display.choices["paired"] == (chosen.lam, chosen.error, chosen.blend)
    assert any("paired" in text.get_text() for text in display.ax_.get_legend().get_texts())


@pytest.mark.parametrize("law", ["lasso", "flow"])
def test_the_joint_choice_has_two_panels(law):
    chosen = lf.select_by_cv(X, Y, law)
    display = lf.SelectionDisplay.from_selection(chosen).plot()
    lam, error = display.line_.get_data()
    np.testing.assert_allclose(error, chosen.curve(lam))
    assert error.min() == pytest.approx(chosen.best.error, rel=1e-6)
    assert [point.get_xdata()[0] for point in display.points_] == [chosen.best.lam, chosen.one_se.lam]
    np.testing.assert_array_equal(display.blend_ax_.lines[0].get_ydata(), chosen.best_blend(lam))
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert any("1se" in label and "blend" in label for label in labels)
    assert display.ax_.get_xlim()[0] > display.ax_.get_xlim()[1]
    low, high = display.ax_.get_ylim()
    assert low < chosen.best.error - chosen.best.standard_error
    assert chosen.one_se.error < high
    display.figure_.canvas.draw()


def test_a_given_blend_has_one_panel_and_goes_where_it_is_told():
    chosen = lf.select_by_cv(X, Y, "lasso", blend=1.0, lambda_min=0.0)
    _, ax = plt.subplots()
    display = lf.SelectionDisplay.from_selection(chosen).plot(ax)
    assert display.ax_ is ax
    assert display.blend_ax_ is None
    assert lf.SelectionDisplay.from_selection(chosen).plot().blend_ax_ is None


@pytest.mark.parametrize("y", [np.zeros(60), np.ones(60)])
def test_nothing_to_choose(y):
    lf.SelectionDisplay.from_selection(lf.select_by_cv(X, y)).plot().figure_.canvas.draw()


def test_arrays_in():
    display = lf.SelectionDisplay([2.0, 1.0], [1.0, 0.5], [np.nan, np.nan], choices={"min": (1.0, 0.5, 0.0)}).plot()
    assert len(display.points_) == 1
    with pytest.raises(TypeError, match="must be a CVSelection"):
        lf.SelectionDisplay.from_selection(lf.select_by_criterion(lf.limit_flow(lf.LeastSquares(X, Y))))
    with pytest.raises(ValueError, match="one shape"):
        lf.SelectionDisplay([2.0, 1.0], [1.0], [0.1, 0.1])
