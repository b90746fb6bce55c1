"use strict";
// Fills the charts and moves them with the sliders. State in, drawing out: everything is drawn from `state` anew.

const page = JSON.parse(document.getElementById("payload").textContent);
const dark = ["#b7a6ff", "#ff9aa5", "#6fd08c", "#7cc7f5", "#e08ad0", "#5fd3c4", "#f5f5f5", "#d6d06a", "#e7a86b", "#f2cf63"];
const light = ["#332288", "#cc6677", "#117733", "#3a9bdc", "#882255", "#2f9485", "#000000", "#8a8a1c", "#aa4499", "#b58a00"];
const byId = (id) => document.getElementById(id);
const state = { axis: "s", s: 1, stop: page.first_stop, hidden: new Set() };
const plots = {}, views = {};

// -- tracks: values at nodes, and what holds between them (see tracks.py) --------------------------------------------

function unpack(text, Kind) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Kind(bytes.buffer);
}

function readTrack(raw) {
  if (!raw) return null;
  const numbers = (text, Kind) => (text === null ? null : unpack(text, Kind));
  return {
    kind: raw.kind, s: unpack(raw.s, Float64Array), coef: unpack(raw.coef, Float32Array),
    l1: unpack(raw.l1, Float32Array), dimension: unpack(raw.dimension, Int32Array),
    loss: numbers(raw.loss, Float64Array), between: numbers(raw.loss_between, Float64Array),
  };
}

const width = page.names.length;
const lasso = readTrack(page.lasso);
const stops = page.stops.map((stop) => ({ label: stop.label, title: stop.title, flow: readTrack(stop.flow), average: readTrack(stop.average) }));
const limit = stops.length > 1 ? stops[stops.length - 1].flow : null;

function place(track, s) { // the node before s and the share of the next one
  let low = 0, high = track.s.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (track.s[middle] <= s) low = middle; else high = middle - 1;
  }
  if (track.kind === "constant" || low === track.s.length - 1 || s <= track.s[0]) return [low, 0];
  if (track.kind === "sampled") return [low, Math.log(s / track.s[low]) / Math.log(track.s[low + 1] / track.s[low])];
  return [low, low === 0 ? 0 : (1 / track.s[low] - 1 / s) / (1 / track.s[low] - 1 / track.s[low + 1])];
}

const mix = (a, b, share) => (share ? a + share * (b - a) : a);

function valuesAt(track, s) {
  const [node, share] = place(track, s), found = new Array(width);
  for (let j = 0; j < width; j++) {
    const here = track.coef[node * width + j];
    found[j] = share ? mix(here, track.coef[(node + 1) * width + j], share) : here;
  }
  return found;
}

function normAt(track, s) {
  const [node, share] = place(track, s);
  return share ? mix(track.l1[node], track.l1[node + 1], share) : track.l1[node];
}

function lossAt(track, s) {
  if (!track.loss) return null;
  const [node, share] = place(track, s);
  if (!share) return track.loss[node];
  const [a, m, b] = [track.loss[node], track.between[node], track.loss[node + 1]];
  if (track.kind === "sampled") return mix(a, b, share);
  return a * (1 - share) * (1 - 2 * share) + 4 * m * share * (1 - share) + b * share * (2 * share - 1);
}

const dimensionAt = (track, s) => track.dimension[place(track, s)[0]];
const reach = (track) => (track.kind === "sampled" ? track.s[track.s.length - 1] : page.span[1]);

// -- the axis --------------------------------------------------------------------------------------------------------

const [first, last] = page.span.map(Math.log10);
const short = (value) => (value === 0 ? "0" : String(Number(value.toPrecision(4))).replace("e+", "e"));
const position = (track, s) => (state.axis === "l1" ? normAt(track, s) : Math.log10(s));

function niceSteps(low, high, most) {
  const rough = (high - low) / most || 1, power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const ticks = [];
  for (let k = Math.ceil(low / step); k * step <= high + 1e-9 * step; k++) ticks.push(k * step);
  return ticks;
}

function logTicks(most) { // 1-2-5 while there is room, else whole decades
  const make = (digits) => {
    const found = [];
    for (let power = Math.floor(first) - 1; power <= Math.ceil(last) + 1; power++)
      for (const digit of digits) {
        const tick = state.axis === "lambda" ? -Math.log10(digit * 10 ** power) : Math.log10(digit * 10 ** power);
        if (tick >= first && tick <= last) found.push(tick);
      }
    return found.sort((a, b) => a - b);
  };
  for (const digits of [[1, 1.5, 2, 3, 5, 7], [1, 2, 5], [1, 3], [1]]) if (make(digits).length <= most) return make(digits);
  const every = make([1]);
  return every.filter((_, k) => k % Math.ceil(every.length / most) === 0);
}

const brief = (name) => (name.length > 40 ? [...name].slice(0, 39).join("") + "…" : name);

// -- curves ----------------------------------------------------------------------------------------------------------

function timesOf(track) { // nodes in sight and, where a curve bends between them, a grid
  const end = Math.min(reach(track), page.span[1]);
  const inside = Array.from(track.s).filter((s) => s > page.span[0] && s <= end);
  if (track.kind !== "linear" || state.axis === "l1") return [page.span[0], ...inside, end];
  const grid = Array.from({ length: 201 }, (_, k) => 10 ** (first + (k / 200) * (last - first))).filter((s) => s <= end);
  return [...inside, ...grid, end].sort((a, b) => a - b);
}

function curvesOf(track) { // one polyline a feature; a jump has a point on either side
  const times = timesOf(track), steps = track.kind === "constant";
  const xs = Array.from({ length: width }, () => []), ys = Array.from({ length: width }, () => []);
  let before = valuesAt(track, times[0]);
  for (const s of times) {
    const now = valuesAt(track, s), x = position(track, s);
    for (let j = 0; j < width; j++) {
      if (steps && now[j] !== before[j] && state.axis !== "l1") { xs[j].push(x); ys[j].push(before[j]); }
      xs[j].push(x); ys[j].push(now[j]);
    }
    before = now;
  }
  return { xs, ys };
}

function lossCurve(track) {
  const times = timesOf(track), xs = [], ys = [];
  let before = lossAt(track, times[0]);
  for (const s of times) {
    const now = lossAt(track, s);
    if (track.kind === "constant") { xs.push(Math.log10(s)); ys.push(before); }
    xs.push(Math.log10(s)); ys.push(now);
    before = now;
  }
  return [xs, ys];
}

// -- colours ---------------------------------------------------------------------------------------------------------

const night = window.matchMedia("(prefers-color-scheme: dark)");
const tone = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
const colourOf = (j) => (j < light.length ? (night.matches ? dark : light)[j] : night.matches ? "#6b7484" : "#9aa2b0");

function paint() { // what the scheme decides, in every chart
  const [ink, quiet, grid, line] = ["ink", "quiet", "grid", "line"].map(tone);
  for (const plot of Object.values(plots)) {
    plot.setv({ background_fill_color: null, border_fill_color: null });
    for (const axis of [...plot.below, ...plot.left])
      axis.setv({
        axis_label_text_color: quiet, major_label_text_color: quiet, axis_line_color: line, major_tick_line_color: line,
        minor_tick_line_color: null, axis_label_text_font_style: "normal", axis_label_text_font_size: "13px", major_label_text_font_size: "12px",
      });
    for (const ruler of plot.center) if (ruler.type === "Grid") ruler.setv({ grid_line_color: grid });
    for (const legend of plot.center) if (legend.type === "Legend") legend.setv({ label_text_color: ink, border_line_color: null, label_text_font_size: "12px", background_fill_color: null });
    for (const name of ["cursor", "rug"]) { const layer = layerOf(plot, name); if (layer) layer.glyph.setv({ line_color: name === "rug" ? quiet : ink }); }
  }
}

const layerOf = (plot, name) => plot.renderers.find((renderer) => renderer.name === name);
const fill = (plot, name, data) => { layerOf(plot, name).data_source.data = data; };

// -- drawing ---------------------------------------------------------------------------------------------------------

function drawCoefficients(name, track, ghost) {
  const plot = plots[name];
  if (!plot || !width) return;
  const { xs, ys } = curvesOf(track), order = [...Array(width).keys()].reverse().filter((j) => !state.hidden.has(j));
  const pick = (list) => order.map((j) => list[j]);
  fill(plot, "curves", {
    xs: pick(xs), ys: pick(ys), color: order.map(colourOf), name: order.map((j) => brief(page.names[j])),
    alpha: order.map((j) => (j < light.length ? 1 : 0.55)), width: order.map((j) => (j < light.length ? 2 : 1)),
  });
  const faint = ghost && ghost !== track ? curvesOf(ghost) : { xs: [], ys: [] };
  fill(plot, "ghosts", ghost && ghost !== track
    ? { xs: pick(faint.xs), ys: pick(faint.ys), color: order.map(colourOf), alpha: order.map(() => 0.45) }
    : { xs: [], ys: [], color: [], alpha: [] });
  const knots = track.kind === "sampled" ? [] : Array.from(track.s).filter((s) => s > page.span[0] && s < page.span[1]);
  const [low, high] = [heights[0], heights[0] + 0.02 * (heights[1] - heights[0])], at = knots.map((s) => position(track, s));
  fill(plot, "rug", { x0: at, x1: at, y0: at.map(() => low), y1: at.map(() => high) });
}

let heights = [-1, 1];

function setHeights() { // one scale for both charts, whatever the sliders do
  let low = 0, high = 0;
  for (const track of [lasso, ...stops.map((stop) => stop.flow)]) {
    if (!track) continue;
    const end = track.s.findIndex((s) => s > page.span[1]), rows = end < 0 ? track.s.length : end;
    for (let k = 0; k < rows * width; k++) { low = Math.min(low, track.coef[k]); high = Math.max(high, track.coef[k]); }
  }
  const margin = 0.07 * (high - low) || 1;
  heights = [low - margin, high + margin];
  for (const name of ["lasso", "flow"]) if (plots[name]) plots[name].y_range.setv({ start: heights[0], end: heights[1] });
}

function setAxis() {
  const labels = { s: page.letter === "s" ? "time s = 1/λ" : "training time t", lambda: "penalty λ = 1/s", l1: "norm |x|₁" };
  let most = 0;
  for (const track of [lasso, ...stops.map((stop) => stop.flow)]) if (track) for (const s of timesOf(track)) most = Math.max(most, normAt(track, s));
  for (const name of ["lasso", "flow", "loss"]) {
    const plot = plots[name];
    if (!plot) continue;
    const isNorm = state.axis === "l1" && name !== "loss", room = Math.max(3, Math.floor(byId(`chart-${name}`).clientWidth / 75));
    const [start, end] = isNorm ? [0, most || 1] : [first, last];
    plot.x_range.setv({ start, end });
    plot.below[0].ticker.ticks = isNorm ? niceSteps(start, end, room) : logTicks(room);
    plot.below[0].ticker.minor_ticks = [];
    const axis = isNorm ? "l1" : state.axis === "l1" ? "s" : state.axis;
    const overrides = new Map(plot.below[0].ticker.ticks.map((tick) => [tick, isNorm ? short(tick) : short(10 ** (axis === "lambda" ? -tick : tick))]));
    plot.below[0].setv({ axis_label: labels[axis], major_label_overrides: overrides });
  }
}

function drawCurves() {
  setAxis();
  if (lasso) drawCoefficients("lasso", lasso, null);
  if (stops.length) drawCoefficients("flow", stops[state.stop].flow, limit);
  if (plots.loss) drawLoss();
  drawTime();
}

function drawLoss() {
  const tracks = [...(lasso ? [["the lasso", lasso, "lasso"]] : []), ...(stops.length ? [["the network", stops[state.stop].flow, "network"]] : [])];
  const curves = tracks.map(([, track]) => lossCurve(track));
  fill(plots.loss, "curves", { xs: curves.map((c) => c[0]), ys: curves.map((c) => c[1]), color: tracks.map((t) => tone(t[2])), name: tracks.map((t) => t[0]) });
  const most = page.null_loss || 1;
  plots.loss.y_range.setv({ start: -0.02 * most, end: 1.05 * most });
}

const clipped = (track) => Math.min(state.s, reach(track));

function drawTime() { // the cursor, the points on the curves, the table and the words
  const shown = stops.length ? stops[state.stop] : null;
  const network = shown ? valuesAt(shown.flow, clipped(shown.flow)) : null, average = shown ? valuesAt(shown.average, clipped(shown.average)) : null;
  const exact = lasso ? valuesAt(lasso, state.s) : null;
  const visible = [...Array(width).keys()].filter((j) => !state.hidden.has(j));
  const dots = (plot, track, values) => {
    if (!plot || !track || !width) return;
    const x = position(track, clipped(track)), kept = visible.filter((j) => j < light.length && values[j] !== 0);
    fill(plot, "points", { x: kept.map(() => x), y: kept.map((j) => values[j]), color: kept.map(colourOf) });
    fill(plot, "cursor", { xs: [[x, x]], ys: [heights] });
  };
  dots(plots.lasso, lasso, average || exact);
  if (shown) dots(plots.flow, shown.flow, network);
  if (plots.loss) { const x = Math.log10(state.s); fill(plots.loss, "cursor", { xs: [[x, x]], ys: [[-1e300, 1e300].map((v, k) => (k ? 1.05 : -0.02) * (page.null_loss || 1))] }); }
  writeTable(network, average, exact);
  writeWords(shown);
}

function writeWords(shown) {
  const time = `${page.letter} = ${short(state.s)}` + (page.letter === "s" ? `, λ = ${short(1 / state.s)}` : "");
  byId("time-value").textContent = time;
  const slider = byId("time");
  slider.value = Math.round((1000 * (Math.log10(state.s) - first)) / (last - first || 1));
  slider.setAttribute("aria-valuetext", time);
  const words = [], loss = (track) => { const value = lossAt(track, clipped(track)); return value === null ? "" : `, loss ${short(value)}`; };
  if (shown) words.push(`Network: support ${dimensionAt(shown.flow, clipped(shown.flow))}${loss(shown.flow)}.`);
  if (lasso) words.push(`Lasso: support ${dimensionAt(lasso, state.s)}${loss(lasso)}.`);
  byId("readout").textContent = words.join("  ");
  if (shown) byId("flow-title").textContent = shown.title + (limit && shown.flow !== limit ? "; dotted, the limit" : "");
  if (!byId("scale")) return;
  byId("scale-value").textContent = shown.label;
  byId("scale").setAttribute("aria-valuetext", shown.label);
}

const ROWS = 12;

function writeTable(network, average, exact) {
  const columns = [["network", network], ["its average", average], ["lasso", exact]].filter((column) => column[1]);
  const head = byId("now").tHead, body = byId("now").tBodies[0];
  const size = (j) => Math.max(...columns.map((column) => Math.abs(column[1][j])));
  const rows = [...Array(width).keys()].filter((j) => size(j) > 0).sort((a, b) => size(b) - size(a)).slice(0, ROWS);
  head.replaceChildren(rowOf("th", ["feature", ...columns.map((column) => column[0])]));
  body.replaceChildren(...rows.map((j) => rowOf("td", [page.names[j], ...columns.map((column) => short(column[1][j]))])));
  if (!rows.length) body.replaceChildren(rowOf("td", ["all zero", ...columns.map(() => "0")]));
}

function rowOf(kind, texts) {
  const row = document.createElement("tr");
  row.append(...texts.map((text, k) => { const cell = document.createElement(kind); cell.textContent = text; cell.className = k ? "n" : "name"; return cell; }));
  return row;
}

// -- what a reader moves ---------------------------------------------------------------------------------------------

function moveTo(s) { state.s = Math.min(Math.max(s, page.span[0]), page.span[1]); drawTime(); }

function jump(direction) { // to the next event of the network, or of the lasso where that is alone
  const exact = stops.length ? (stops[state.stop].flow.kind === "constant" ? stops[state.stop].flow : limit || stops[state.stop].flow) : lasso;
  const knots = Array.from(exact.s).filter((s) => s > page.span[0] && s < page.span[1]);
  const next = direction > 0 ? knots.find((s) => s > state.s) : knots.reverse().find((s) => s < state.s);
  if (next !== undefined) moveTo(next);
}

function legend() {
  byId("legend").replaceChildren(...page.names.slice(0, light.length).map((name, j) => {
    const button = document.createElement("button"), text = document.createElement("span");
    text.textContent = name; button.title = name; button.type = "button"; button.append(text);
    button.style.setProperty("--swatch", colourOf(j));
    button.setAttribute("aria-pressed", String(!state.hidden.has(j)));
    button.addEventListener("click", () => {
      if (state.hidden.has(j)) state.hidden.delete(j); else state.hidden.add(j);
      button.setAttribute("aria-pressed", String(!state.hidden.has(j)));
      drawCurves();
    });
    return button;
  }));
}

function recolour() { paint(); legend(); drawCurves(); }

function freeze() { // paper is not as wide as the window: what is printed is a copy of each chart that can shrink
  thaw();
  document.documentElement.classList.toggle("inverted", night.matches); // paper is white, too
  for (const [name, view] of Object.entries(views)) {
    view.paint();
    const copy = view.export("png", true).canvas;
    copy.removeAttribute("style");
    copy.className = "printed";
    byId(`chart-${name}`).after(copy);
  }
}

function thaw() { for (const copy of document.querySelectorAll(".printed")) copy.remove(); }

async function start() {
  for (const [name, item] of Object.entries(page.charts)) {
    const manager = await Bokeh.embed.embed_item(item, `chart-${name}`);
    views[name] = manager.roots[0];
    plots[name] = views[name].model;
  }
  for (const radio of document.querySelectorAll("input[name=axis]")) radio.addEventListener("change", () => { state.axis = radio.value; drawCurves(); });
  byId("time").addEventListener("input", (event) => moveTo(10 ** (first + (event.target.value / 1000) * (last - first))));
  byId("previous").addEventListener("click", () => jump(-1));
  byId("next").addEventListener("click", () => jump(1));
  if (byId("scale")) byId("scale").addEventListener("input", (event) => { state.stop = Number(event.target.value); drawCurves(); });
  night.addEventListener("change", recolour);
  window.addEventListener("beforeprint", freeze);
  window.addEventListener("afterprint", thaw);
  let waiting = 0;
  window.addEventListener("resize", () => { clearTimeout(waiting); waiting = setTimeout(drawCurves, 150); });
  setHeights();
  state.s = Math.min(Math.max(page.chosen || 10 ** (first + 0.7 * (last - first)), page.span[0]), page.span[1]);
  recolour();
  document.documentElement.dataset.ready = "yes";
}

start();
