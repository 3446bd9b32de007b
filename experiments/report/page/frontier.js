"use strict";
// The interactive frontier: accuracy against a cost, one view for each kind of score.
const MARKS = { rectRot: "◆", rect: "■", star: "★", circle: "●", triangle: "▲", crossRot: "✕" };
const SIZES = { rectRot: 8, rect: 6.5, star: 10, circle: 4, triangle: 5, crossRot: 4 };
const state = { view: page.first_view, cost: 0, log: true, kept: [], shown: null, hidden: new Set() };
const canvas = document.getElementById("frontier");
let chart = null;

function css(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}

function colourOf(colour) {
  return colour === page.colours.black ? css("--text") : colour;
}

function quantity(value) {
  for (const [unit, factor] of [["T", 1e12], ["G", 1e9], ["M", 1e6], ["k", 1e3]]) {
    if (Math.abs(value) >= factor) return Number((value / factor).toPrecision(3)) + unit;
  }
  return String(Number(value.toPrecision(3)));
}

function costText(value, cost) {
  if (value === null) return "not measured";
  return page.units[cost] === "ms" ? `${Number(value.toPrecision(3))} ms` : quantity(value);
}

function element(name, text, kind) {
  const found = document.createElement(name);
  if (text !== undefined) found.textContent = text;
  if (kind) found.className = kind;
  return found;
}

function seriesOfView() {
  return page.series.map((series, number) => ({ ...series, number })).filter((series) => series.view === state.view);
}

function pointsOf(series) {
  return page.points
    .map((point, index) => ({ x: point.cost[state.cost], y: point.top1, point, index }))
    .filter(({ x, point }) => point.series === series && x !== null && (!state.log || x > 0))
    .sort((one, other) => one.x - other.x);
}

function datasetOf(series) {
  const colour = colourOf(series.colour);
  return {
    label: series.label,
    data: pointsOf(series.number),
    series: series.number,
    hidden: state.hidden.has(series.number),
    backgroundColor: series.is_lost ? `${colour}80` : colour,
    borderColor: colour,
    borderWidth: series.joined ? 1.6 : 1,
    pointBorderColor: series.marker.startsWith("cross") || series.marker === "star" ? colour : css("--page"),
    pointBorderWidth: 1.2,
    pointStyle: series.marker,
    pointRadius: SIZES[series.marker],
    pointHoverRadius: SIZES[series.marker] + 2,
    showLine: Boolean(series.joined),
    stepped: series.joined === "step",
    order: series.is_lost ? 2 : 1,
  };
}

function visible(drawn = chart) {
  return drawn.data.datasets
    .filter((dataset) => !dataset.hidden)
    .flatMap((dataset) => dataset.data)
    .sort((one, other) => one.x - other.x || one.y - other.y);
}

// Budgets below the points, intervals and rings above them.
const budgets = {
  id: "budgets",
  beforeDatasetsDraw({ ctx, chartArea: area, scales }) {
    for (const band of page.bands.filter((one) => one.cost === state.cost)) {
      const [left, right] = [band.low ?? band.high, band.high ?? band.low].map((edge) => scales.x.getPixelForValue(edge));
      ctx.save();
      ctx.fillStyle = ctx.strokeStyle = css("--green");
      ctx.globalAlpha = 0.09;
      ctx.fillRect(left, area.top, right - left, area.bottom - area.top);
      ctx.globalAlpha = 0.9;
      ctx.setLineDash([2, 3]);
      ctx.beginPath();
      ctx.moveTo(right, area.top);
      ctx.lineTo(right, area.bottom);
      ctx.stroke();
      ctx.restore();
    }
  },
};

const intervals = {
  id: "intervals",
  afterDatasetsDraw(drawn) {
    const { ctx, scales } = drawn;
    const marked = [...state.kept, state.shown].filter((index) => index !== null);
    const rings = visible(drawn).filter(({ index }) => marked.includes(index));
    for (const { x, point } of state.view === "trained" ? visible(drawn) : rings) {
      const at = scales.x.getPixelForValue(x);
      ctx.strokeStyle = colourOf(page.series[point.series].colour);
      ctx.lineWidth = 1.2;
      ctx.beginPath();
      ctx.moveTo(at, scales.y.getPixelForValue(point.low));
      ctx.lineTo(at, scales.y.getPixelForValue(point.high));
      ctx.stroke();
    }
    for (const { x, y } of rings) {
      ctx.strokeStyle = css("--text");
      ctx.lineWidth = 2;
      ctx.beginPath();
      ctx.arc(scales.x.getPixelForValue(x), scales.y.getPixelForValue(y), 12, 0, 2 * Math.PI);
      ctx.stroke();
    }
  },
};

function ticksOf(scale) {
  const steps = scale.max / scale.min > 300 ? [1] : scale.max / scale.min > 12 ? [1, 2, 5] : [1, 1.5, 2, 3, 4, 5, 6, 8];
  const found = [];
  for (let power = Math.floor(Math.log10(scale.min)); power <= Math.ceil(Math.log10(scale.max)); power++) {
    found.push(...steps.map((step) => ({ value: step * 10 ** power })));
  }
  scale.ticks = found.filter(({ value }) => value >= scale.min && value <= scale.max);
}

function rangeOf(datasets) {
  const shown = datasets.flatMap((dataset) => dataset.data);
  const edges = page.bands.filter((band) => band.cost === state.cost).flatMap(({ low, high }) => [low, high]).filter((edge) => edge);
  const x = shown.map((one) => one.x).concat(edges);
  const y = state.view === "trained" ? shown.flatMap(({ point }) => [point.low, point.high]) : shown.map((one) => one.y);
  const least = (values) => values.reduce((a, b) => Math.min(a, b), Infinity);
  const greatest = (values) => values.reduce((a, b) => Math.max(a, b), -Infinity);
  const room = Math.max(0.5, 0.06 * (greatest(y) - least(y)));
  const [low, high] = [least(x), greatest(x)];
  const wide = state.log ? [low / (high / low || 1) ** 0.06 / 1.03, high * (high / low || 1) ** 0.06 * 1.03] : [0, high * 1.05];
  return { x: wide, y: [Math.max(0, least(y) - room), Math.min(100.5, greatest(y) + room)] };
}

function optionsOf(datasets) {
  const range = rangeOf(datasets);
  const grid = { color: css("--line") };
  const ticks = { color: css("--soft"), maxRotation: 0 };
  const unit = page.units[state.cost] ? ` (${page.units[state.cost]})` : "";
  const title = (text) => ({ display: true, text, color: css("--soft") });
  return {
    animation: false,
    maintainAspectRatio: false,
    parsing: false,
    normalized: true,
    interaction: { mode: "nearest", intersect: false, axis: "xy" },
    onHover: (_, active) => show(active.length ? indexOf(active[0]) : null),
    onClick: (_, active) => active.length && keep(indexOf(active[0])),
    plugins: {
      legend: { display: false },
      tooltip: { displayColors: false, callbacks: { title: ([item]) => item.raw.point.name, label: (item) => tooltip(item.raw) } },
    },
    scales: {
      x: {
        type: state.log ? "logarithmic" : "linear", min: range.x[0], max: range.x[1], grid, title: title(page.costs[state.cost] + unit),
        ticks: { ...ticks, callback: (value) => costText(value, state.cost) }, afterBuildTicks: state.log ? ticksOf : undefined,
      },
      y: {
        min: range.y[0], max: range.y[1], grid, title: title("top-1 accuracy (%)"),
        ticks: { ...ticks, includeBounds: false, callback: (value) => Number(value.toFixed(2)) },
      },
    },
  };
}

function tooltip({ point }) {
  return [
    `${point.top1.toFixed(2)} % (${point.low.toFixed(1)} to ${point.high.toFixed(1)})`,
    `${costText(point.cost[0], 0)} FLOPs, ${costText(point.cost[1], 1)} parameters`,
    ...(point.origin ? [point.origin] : []),
  ];
}

function indexOf({ datasetIndex, index }) {
  return chart.data.datasets[datasetIndex].data[index].index;
}

function draw() {
  chart?.destroy();
  const datasets = seriesOfView().map(datasetOf);
  document.getElementById("kind").textContent = `Top-1 on the ${page.kinds[state.view] ?? ""}.${
    state.view === "trials" ? " Trials rank candidates after a short training: these scores do not compare with those of trained models." : ""
  }`;
  drawLegend(datasets);
  chart = new Chart(canvas, { type: "scatter", data: { datasets }, options: optionsOf(datasets), plugins: [budgets, intervals] });
  drawCompare();
}

function drawLegend(datasets) {
  const legend = document.getElementById("legend");
  legend.replaceChildren(...datasets.map((dataset) => legendEntry(dataset)));
  if (page.bands.some((band) => band.cost === state.cost)) {
    const entry = element("span", "┊ budgets");
    entry.style.color = css("--green");
    legend.append(entry);
  }
}

function legendEntry(dataset) {
  const button = element("button", undefined, "entry");
  button.type = "button";
  button.setAttribute("aria-pressed", String(!dataset.hidden));
  const mark = element("span", MARKS[dataset.pointStyle]);
  mark.style.color = dataset.borderColor;
  button.append(mark, ` ${dataset.label} (${dataset.data.length})`);
  button.addEventListener("click", () => {
    state.hidden.has(dataset.series) ? state.hidden.delete(dataset.series) : state.hidden.add(dataset.series);
    draw();
  });
  return button;
}

function show(index) {
  if (state.shown === index) return;
  state.shown = index;
  drawCompare();
}

function keep(index) {
  const before = state.kept.indexOf(index);
  if (before >= 0) state.kept.splice(before, 1);
  else state.kept = [...state.kept.slice(-1), index];
  drawCompare();
  chart.draw();
}

function drawCompare() {
  const compare = document.getElementById("compare");
  const indices = [...new Set([...state.kept, state.shown])].filter((index) => index !== null).slice(0, 2);
  const [one, other] = indices.map((index) => page.points[index]);
  compare.replaceChildren();
  if (!one) return compare.append(element("p", "Point at a model to see it. Click to keep it, then point at another one to compare.", "soft"));
  compare.append(description(one, other, state.kept.includes(indices[0])));
  if (other) {
    const second = description(other, one, state.kept.includes(indices[1]));
    second.querySelector("svg")?.classList.add("second");
    second.prepend(comparison(one, other));
    compare.append(second);
  }
}

function comparison(one, other) {
  const points = other.top1 - one.top1;
  const overlap = other.low <= one.high && one.low <= other.high;
  const cost = (other.cost[0] / one.cost[0] - 1) * 100;
  const sign = (value, digits) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(digits)}`;
  const text = `${sign(points, 2)} points, ${sign(cost, 0)} % FLOPs; the intervals ${overlap ? "overlap" : "do not overlap"}`;
  return element("p", text, "delta");
}

function description(point, other, isKept) {
  const found = element("div", undefined, "one");
  found.append(element("h3", `${point.name}${isKept ? " (kept)" : ""}`));
  found.append(element("div", `${point.top1.toFixed(2)} % (${point.low.toFixed(1)} to ${point.high.toFixed(1)})`));
  const costs = page.costs.map((name, i) => [name, point.cost[i], i]).filter(([, value]) => value !== null);
  found.append(element("div", costs.map(([name, value, i]) => `${costText(value, i)}${i === 2 ? "" : ` ${name}`}`).join(", "), "soft"));
  const facts = [point.budget, page.series[point.series].label, point.origin].filter((fact, i, all) => fact && all.indexOf(fact) === i);
  found.append(element("div", facts.join(" · "), "soft"));
  if (point.drawing !== null) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("class", "arch");
    drawArchitecture(svg, page.drawings[point.drawing]);
    found.append(svg);
  }
  found.append(differences(point.arch, other?.arch));
  return found;
}

function differences(arch, other) {
  const line = element("div", undefined, "fine");
  const theirs = other === undefined ? null : other.split("; ");
  arch.split("; ").forEach((value, i) => {
    if (i) line.append("; ");
    line.append(theirs && !theirs.includes(value) ? element("mark", value) : value);
  });
  return line;
}

function step(key) {
  const points = visible();
  if (!points.length) return;
  const at = points.findIndex(({ index }) => index === state.shown);
  const last = points.length - 1;
  const next = { ArrowRight: Math.min(at + 1, last), ArrowLeft: Math.max(at - 1, 0), Home: 0, End: last }[key];
  show(points[next].index);
  chart.draw();
}

canvas.addEventListener("keydown", (event) => {
  if (["ArrowRight", "ArrowLeft", "Home", "End"].includes(event.key)) step(event.key);
  else if (["Enter", " "].includes(event.key) && state.shown !== null) keep(state.shown);
  else if (event.key === "Escape") clearKept();
  else return;
  event.preventDefault();
});

function clearKept() {
  state.kept = [];
  state.shown = null;
  drawCompare();
  chart.draw();
}

function choices(id, names, isOn, isOff, choose) {
  names.forEach(([name, text]) => {
    const label = element("label");
    const input = document.createElement("input");
    Object.assign(input, { type: "radio", name: id, value: String(name), checked: isOn(name), disabled: isOff(name) });
    input.addEventListener("change", () => { choose(name); draw(); });
    label.append(input, text);
    document.getElementById(id).append(label);
  });
}

const hasPoints = (view, cost) => page.points.some((point) => page.series[point.series].view === view && (cost === null || point.cost[cost] !== null));
choices("views", [["trained", "trained in full"], ["trials", "trials of the search"]], (view) => view === state.view,
  (view) => !hasPoints(view, null), (view) => { state.view = view; state.kept = []; state.shown = null; });
choices("costs", page.costs.map((name, i) => [i, name]), (cost) => cost === state.cost,
  (cost) => !hasPoints("trained", cost) && !hasPoints("trials", cost), (cost) => { state.cost = cost; });
choices("scales", [["log", "log"], ["linear", "linear"]], (scale) => scale === "log", () => false, (scale) => { state.log = scale === "log"; });
draw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
