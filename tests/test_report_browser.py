"""The report page in a real browser: sliders and axes are moved, and what is shown is compared with the paths."""

import shutil
import time

import numpy as np
import pandas as pd
import pytest

import lassoflow as lf

pytest.importorskip("bokeh")
webdriver = pytest.importorskip("selenium.webdriver")
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs Chromium and its chromedriver")

SINGLE = 1e-6
"""The page says seven digits."""
FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --window-size=1280,1000"
)


@pytest.fixture(scope="module")
def browser():
    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in FLAGS.split():
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def table():
    rng = np.random.default_rng(1)
    X = rng.standard_normal((50, 20)) + 0.7 * rng.standard_normal((50, 1))
    names = ["<script>document.title = 'hit'</script>", "x" * 80, "年齢（歳）", *(f"f{j}" for j in range(17))]
    y = X[:, 0] - 2 * X[:, 1] + X[:, 2] + rng.standard_normal(50)
    return pd.DataFrame(X, columns=names), y


@pytest.fixture(scope="module")
def problem(table):
    return lf.LeastSquares(*table, fit_intercept=True)


@pytest.fixture(scope="module")
def page(browser, problem, tmp_path_factory):
    file = tmp_path_factory.mktemp("report") / "page.html"
    flow = lf.limit_flow(problem, "std")
    lf.report(flow, file)
    opened(browser, file)
    yield Page(browser, flow)
    assert complaints(browser) == []


def opened(browser, file):
    browser.get(file.as_uri())
    deadline = time.monotonic() + 30
    while not browser.execute_script("return document.documentElement.dataset.ready"):
        assert time.monotonic() < deadline, browser.get_log("browser")
        time.sleep(0.05)


def complaints(browser):
    return [entry["message"] for entry in browser.get_log("browser") if entry["level"] in ("WARNING", "SEVERE")]


class Page:
    """What a reader does to the page, and reads off it."""

    def __init__(self, browser, flow):
        self.browser, self.flow = browser, flow
        self.lasso = lf.lasso_path(flow.problem, "std")
        self.run = browser.execute_script
        self.names = self.run("return page.names")
        self.columns = [flow.frame.feature_names.index(name) for name in self.names]
        self.scale = flow.problem.deviations[self.columns]

    def move(self, slider, value):
        script = "const e = byId(arguments[0]); e.value = arguments[1]; e.dispatchEvent(new Event('input'))"
        self.run(script, slider, value)

    def choose(self, axis):
        self.run("document.querySelector(`input[name=axis][value=${arguments[0]}]`).click()", axis)

    @property
    def s(self):
        return self.run("return state.s")

    def rows(self):
        """The table of coefficients at this time, as it is written."""
        script = "return [...document.querySelectorAll('#now tbody tr')].map(r => [...r.cells].map(c => c.textContent))"
        return self.run(script)

    def expected(self, path):
        return path(self.s)[self.columns] * self.scale

    def points(self, chart):
        """The coefficients that circles mark on a chart, by colour: there is one a feature."""
        script = "const d = layerOf(plots[arguments[0]], 'points').data_source.data; return [[...d.x], [...d.y]]"
        return np.array(self.run(script, chart))


@pytest.mark.parametrize("at", [0, 137, 333, 512, 801, 1000])
def test_training_time(page, at):
    page.move("scale", 5)
    page.move("time", at)
    flow, lasso = page.flow, page.lasso
    for track, path in (("lasso", lasso), ("stops[5].flow", flow), ("stops[5].average", flow.averaged())):
        found = page.run(f"return valuesAt({track}, state.s)")
        np.testing.assert_allclose(found, page.expected(path), rtol=SINGLE, atol=SINGLE * np.abs(flow.end).max())
    for track, path in (("lasso", lasso), ("stops[5].flow", flow)):
        assert page.run(f"return dimensionAt({track}, state.s)") == path.dimension(page.s)
        assert page.run(f"return lossAt({track}, state.s)") == pytest.approx(path.problem.loss(path(page.s)), rel=1e-9)
    words = page.run("return byId('readout').textContent")
    assert f"Network: support {flow.dimension(page.s)}, loss " in words
    assert f"Lasso: support {lasso.dimension(page.s)}, loss " in words


def test_the_table_is_what_the_paths_say(page):
    page.move("scale", 5)
    page.move("time", 640)
    columns = [page.expected(path) for path in (page.flow, page.flow.averaged(), page.lasso)]
    rows = page.rows()
    assert len(rows) == 12
    for name, *cells in rows:
        wanted = [column[page.names.index(name)] for column in columns]
        assert [float(cell) for cell in cells] == pytest.approx(wanted, rel=1e-3, abs=1e-12)


def test_saddle_to_saddle(page):
    """The buttons stop at every knot of the flow, exactly, and there its support changes."""
    page.move("scale", 5)
    page.move("time", 0)
    for knot in page.flow.knots[:6]:
        page.run("byId('next').click()")
        assert page.s == knot
    page.run("byId('previous').click()")
    assert page.s == page.flow.knots[4]


def test_axes(page):
    page.move("scale", 5)
    page.move("time", 700)
    s, size = page.s, np.abs(page.lasso(page.s) * page.flow.problem.deviations).sum()
    axis = "const a = plots.lasso.below[0]; return [a.axis_label, [...a.major_label_overrides.entries()]]"
    for choice, x, label in (("s", np.log10(s), "time s = 1/λ"), ("lambda", np.log10(s), "penalty λ = 1/s"),
                             ("l1", size, "norm |x|₁")):  # fmt: skip
        page.choose(choice)
        title, ticks = page.run(axis)
        assert title == label
        assert len(ticks) >= 3
        for place, text in ticks:
            value = {"s": 10**place, "lambda": 10**-place, "l1": place}[choice]
            assert float(text) == pytest.approx(value, rel=1e-3, abs=1e-9)
        assert page.points("lasso")[0] == pytest.approx(x, rel=SINGLE)
    page.choose("s")


def test_circles_are_the_average_and_the_network(page):
    page.move("scale", 5)
    page.move("time", 700)
    for chart, path in (("lasso", page.flow.averaged()), ("flow", page.flow)):
        wanted = page.expected(path)[:10]
        np.testing.assert_allclose(page.points(chart)[1], wanted[wanted != 0], rtol=SINGLE)


@pytest.mark.parametrize("stop", range(5))
def test_initialisation_scale(page, table, stop):
    """A finite flow, sampled: at its samples to what integration knows, between them to the eye."""
    X, y = table
    network = lf.ProductNetwork(log_scale=[-5, -20, -70, -250, -1000][stop])
    page.move("scale", stop)
    samples = np.array(page.run("return [...stops[state.stop].flow.s]"))
    size = y.std()
    problem = lf.LeastSquares(X / X.std(ddof=0), y / size, fit_intercept=True)
    own = lf.gradient_flow(problem, network, samples[-1] * size)
    for track, path in (("flow", own), ("average", own.averaged())):
        for s in samples[[40, 120, 200]]:
            found = page.run(f"return valuesAt(stops[state.stop].{track}, arguments[0])", s)
            wanted = size * path(min(s * size, path.domain[1]))[page.columns]
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5)
    page.move("time", 700)
    found, wanted = (
        page.run("return valuesAt(stops[state.stop].flow, state.s)"),
        size * own(page.s * size)[page.columns],
    )
    assert np.abs(found - wanted).max() < 0.02 * np.abs(wanted).max()
    assert page.run("return byId('scale-value').textContent") == ["e⁻⁵", "e⁻²⁰", "e⁻⁷⁰", "e⁻²⁵⁰", "e⁻¹⁰⁰⁰"][stop]


def test_flows_harden_into_the_limit(page):
    page.move("scale", 5)
    page.move("time", 700)
    values = [np.array(page.run(f"return valuesAt(stops[{stop}].average, state.s)")) for stop in range(6)]
    apart = [np.abs(value - values[5]).max() for value in values[:5]]
    assert apart == sorted(apart, reverse=True)
    assert apart[4] < 0.05 * np.abs(values[5]).max()


def test_keys_move_the_sliders(page):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    page.move("time", 500)
    before = page.s
    page.browser.find_element(By.ID, "time").send_keys(Keys.ARROW_RIGHT)
    assert page.s > before
    page.browser.find_element(By.ID, "scale").send_keys(Keys.HOME)
    assert page.run("return state.stop") == 0
    page.browser.find_element(By.ID, "scale").send_keys(Keys.END)
    page.browser.find_element(By.ID, "next").send_keys(Keys.ENTER)
    assert page.s in page.flow.knots


def test_names_are_text_in_the_browser(page):
    assert "hit" not in page.browser.title
    shown = page.run("return [...document.querySelectorAll('#legend button')].map(b => b.textContent)")
    assert shown == page.names[:10]
    assert page.run("return document.querySelectorAll('script').length") == 3
    tip = "return layerOf(plots.lasso, 'curves').data_source.data.name"
    assert set(page.run(tip)) == {name if len(name) <= 40 else f"{name[:39]}…" for name in page.names}


def test_hovering_names_a_curve(page):
    """The pointer goes to a circle; the name there is text, whatever it is."""
    from selenium.webdriver.common.action_chains import ActionChains

    page.move("scale", 5)
    page.move("time", 700)
    page.run("byId('chart-lasso').scrollIntoView({block: 'center'})")
    place = """
        const box = byId('chart-lasso').getBoundingClientRect(), frame = views.lasso.frame;
        const at = layerOf(plots.lasso, 'points').data_source.data;
        const k = page.names.findIndex((name) => name.startsWith('<script>'));
        return [box.left + frame.x_scale.compute(at.x[k]), box.top + frame.y_scale.compute(at.y[k]), k];
    """
    texts = """
        const found = [];
        const look = (root) => root.querySelectorAll('*').forEach((element) => {
            if (element.matches('.bk-tooltip-row-value')) found.push(element.textContent);
            if (element.shadowRoot) look(element.shadowRoot);
        });
        look(document);
        return found;
    """
    x, y, which = page.run(place)
    pointer = ActionChains(page.browser)
    pointer.w3c_actions.pointer_action.move_to_location(int(x), int(y))
    pointer.perform()
    time.sleep(0.5)
    name, value = (text.strip() for text in page.run(texts))
    assert name == page.names[which]
    assert float(value) == pytest.approx(page.expected(page.lasso)[which], abs=0.05)


def test_a_feature_can_be_hidden(page):
    count = "return layerOf(plots.lasso, 'curves').data_source.data.xs.length"
    before = page.run(count)
    button = "document.querySelector('#legend button')"
    page.run(f"{button}.click()")
    assert page.run(count) == before - 1
    assert page.run(f"return {button}.getAttribute('aria-pressed')") == "false"
    page.run(f"{button}.click()")
    assert page.run(count) == before


def test_nothing_is_fetched(page):
    assert page.run("return performance.getEntriesByType('resource').map(entry => entry.name)") == []


def test_a_phone(page):
    emulate = page.browser.execute_cdp_cmd
    emulate("Emulation.setDeviceMetricsOverride", {"width": 390, "height": 844, "deviceScaleFactor": 2, "mobile": True})
    time.sleep(0.5)
    assert page.run("return document.documentElement.scrollWidth") <= 390
    assert page.run("return byId('chart-lasso').clientWidth") <= 390
    emulate("Emulation.clearDeviceMetricsOverride", {})


def test_dark_and_light(page):
    back = "return getComputedStyle(document.body).backgroundColor"
    emulate, colours = page.browser.execute_cdp_cmd, []
    for scheme in ("light", "dark"):
        emulate("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
        time.sleep(0.2)
        colours.append(
            (
                page.run(back),
                page.run("return colourOf(0)"),
                page.run("return plots.lasso.below[0].axis_label_text_color"),
            )
        )
    assert all(light != dark for light, dark in zip(*colours, strict=True))
    emulate("Emulation.setEmulatedMedia", {"features": []})


def test_paper(page):
    """Every chart is copied for the printer, whole, and the page is as before afterwards."""
    page.run("window.dispatchEvent(new Event('beforeprint'))")
    copies = "return [...document.querySelectorAll('canvas.printed')].map(c => c.width)"
    assert len(page.run(copies)) == len(page.run("return Object.keys(plots)"))
    assert min(page.run(copies)) > 300
    page.run("window.dispatchEvent(new Event('afterprint'))")
    assert page.run(copies) == []


def drawn(browser, chart, layer):
    """Where the points of a layer lie, shape (2, m)."""
    script = "const d = layerOf(plots[arguments[0]], arguments[1]).data_source.data; return [[...d.x], [...d.y]]"
    return np.array(browser.execute_script(script, chart, layer))


def test_the_choice_is_drawn(browser, table, tmp_path):
    X, y = table
    model, problem = lf.FlowRegressorCV(cv=4, penalty_factor="std").fit(X, y), lf.LeastSquares(X, y, fit_intercept=True)
    lf.report(model, tmp_path / "page.html", problem=problem)
    opened(browser, tmp_path / "page.html")
    chosen = model.selection_
    for name, choice in (("paired", chosen.choice), ("min", chosen.best), ("1se", chosen.one_se)):
        assert drawn(browser, "cv", name).ravel().tolist() == [choice.lam, choice.error]
    lam, error = drawn(browser, "cv", "error")
    np.testing.assert_allclose(error, chosen.curve(lam))
    assert complaints(browser) == []


def test_the_certificate_is_drawn(browser, tmp_path):
    X = np.random.default_rng(0).standard_normal((40, 60))
    flow = lf.limit_flow(lf.LeastSquares(X, X[:, :5].sum(axis=1) + X[:, 7] ** 2))
    lf.report(flow, tmp_path / "page.html")
    opened(browser, tmp_path / "page.html")
    certificate = lf.compare(flow)
    np.testing.assert_allclose(drawn(browser, "distance", "distance")[1], 100 * certificate.distance, atol=1e-9)
    np.testing.assert_allclose(drawn(browser, "distance", "bound")[1], 100 * certificate.bound, atol=1e-9)
    assert complaints(browser) == []


@pytest.mark.parametrize("kind", ["classifier", "nothing", "lasso alone", "finite", "choice"])
def test_other_pages_open(browser, table, tmp_path, kind):
    X, y = table
    shown = {
        "classifier": lambda: lf.FlowClassifier(0.1).fit(X, y > 0),
        "nothing": lambda: lf.lasso_path(lf.LeastSquares(X, 0 * y)),
        "lasso alone": lambda: lf.ExactLasso(0.1).fit(X, y),
        "finite": lambda: lf.gradient_flow(lf.LeastSquares(X, y), lf.PowerNetwork(3, 1e-4), until=30.0),
        "choice": lambda: lf.FlowRegressorCV(cv=3).fit(X, y),
    }[kind]()
    lf.report(shown, tmp_path / "page.html")
    opened(browser, tmp_path / "page.html")
    for axis in ("l1", "lambda", "s"):
        browser.execute_script("document.querySelector(`input[name=axis][value=${arguments[0]}]`).click()", axis)
    browser.execute_script("byId('next').click(); byId('previous').click()")
    time.sleep(0.2)
    assert complaints(browser) == []
