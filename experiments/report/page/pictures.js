"use strict";
// The other pictures of the page, and the buttons that copy code.
const plots = [];

function lineOptions(xTitle, yTitle, hasLegend) {
  const grid = { color: css("--line") };
  const ticks = { color: css("--soft"), maxRotation: 0, maxTicksLimit: 6 };
  const title = (text) => ({ display: Boolean(text), text, color: css("--soft") });
  return {
    animation: false,
    maintainAspectRatio: false,
    interaction: { mode: "index", intersect: false, axis: "x" },
    plugins: { legend: { display: hasLegend, labels: { color: css("--text"), boxWidth: 18, boxHeight: 1 } } },
    scales: {
      x: { type: "linear", grid, title: title(xTitle), ticks: { ...ticks, callback: quantity } },
      y: { grid, title: title(yTitle), ticks },
    },
  };
}

function lineSet(label, x, y, colour, more) {
  const data = x.map((at, i) => ({ x: at, y: y[i] })).filter((point) => point.y !== null);
  return { label, data, borderColor: colourOf(colour), backgroundColor: colourOf(colour), borderWidth: 1.8, pointRadius: 0, ...more };
}

function drawProgress(canvas, run) {
  const ends = [run.spent[0], run.spent[run.spent.length - 1]];
  const datasets = [
    lineSet("best so far", run.spent, run.best, page.colours.vermilion, { stepped: true, borderWidth: 2.4 }),
    lineSet("random draws", run.spent, run.random, page.colours.sky, { stepped: true, borderDash: [2, 3] }),
  ];
  if (run.uniform !== null) {
    datasets.push(lineSet("uniform scaling", ends, [run.uniform, run.uniform], page.colours.blue, { borderDash: [7, 4] }));
  }
  const options = lineOptions(run.is_flops ? "training FLOPs spent" : "trials", "held-out top-1 (%)", true);
  return new Chart(canvas, { type: "line", data: { datasets }, options });
}

function drawCurves(canvas) {
  const datasets = page.curves.map((curve) =>
    lineSet(curve.label, curve.epochs, curve.loss, curve.colour, { borderDash: curve.is_dashed ? [6, 4] : [] }));
  return new Chart(canvas, { type: "line", data: { datasets }, options: lineOptions("epoch", "mean training loss", true) });
}

function drawPlots() {
  plots.splice(0).forEach((plot) => plot.destroy());
  const progress = document.getElementById("progress");
  progress?.replaceChildren(...page.progress.map((run) => {
    const figure = element("div");
    const box = element("div", undefined, "plot");
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `Best held-out accuracy under ${run.budget}`);
    box.append(canvas);
    figure.append(element("h3", new Set(page.progress.map((one) => one.run)).size > 1 ? `${run.budget}, ${run.run}` : run.budget), box);
    return figure;
  }));
  document.querySelectorAll("#progress canvas").forEach((canvas, i) => plots.push(drawProgress(canvas, page.progress[i])));
  const curves = document.getElementById("curves");
  if (curves) plots.push(drawCurves(curves));
}

drawPlots();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawPlots);

for (const button of document.querySelectorAll("button.copy")) {
  button.addEventListener("click", async () => {
    const text = button.parentElement.querySelector("code").textContent;
    try {
      await navigator.clipboard.writeText(text);
      button.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(button.parentElement.querySelector("code"));
      button.textContent = "selected";
    }
    setTimeout(() => { button.textContent = "copy"; }, 1500);
  });
}
