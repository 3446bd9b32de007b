"use strict";
// Architectures to scale: one bar for each block, as tall as its width in channels, over the outline of the seed's.
const page = JSON.parse(document.getElementById("data").textContent);
const seedStages = page.seed_drawing === null ? null : page.drawings[page.seed_drawing];

const ARCH = { bars: 58, pitch: 13, slot: 46, gap: 10, square: 12, height: 100 };

function svgElement(parent, name, attributes, text) {
  const found = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) found.setAttribute(key, value);
  if (text !== undefined) found.textContent = text;
  parent.append(found);
  return found;
}

function drawArchitecture(svg, stages) {
  const ghost = seedStages && seedStages.length === stages.length ? seedStages : stages;
  const widest = Math.max(...stages.concat(ghost).map(([width]) => width));
  const largest = Math.max(...stages.concat(ghost).map(([, , side]) => side), 1);
  svg.replaceChildren();
  let x = 0;
  stages.forEach((stage, i) => {
    const slot = Math.max(ARCH.slot, ARCH.pitch * Math.max(stage[1], ghost[i][1]));
    drawBars(svg, x, ghost[i], widest, () => "ghost");
    drawBars(svg, x, stage, widest, (block) => (block % stage[3] ? "shared" : "body"));
    drawStageText(svg, x, stage, ghost[i], largest);
    x += slot + ARCH.gap;
  });
  svg.setAttribute("viewBox", `-1 0 ${Math.max(x - ARCH.gap, 214) + 2} ${ARCH.height}`);
}

function drawBars(svg, x, [width, depth], widest, kindOf) {
  const height = Math.max(2, (ARCH.bars * width) / widest);
  for (let block = 0; block < depth; block++) {
    const y = 2 + (ARCH.bars - height) / 2;
    const at = { x: x + ARCH.pitch * block, y, width: ARCH.pitch - 3, height, rx: 1.5, class: kindOf(block) };
    svgElement(svg, "rect", at);
  }
}

function drawStageText(svg, x, [width, depth, side], [, , seedSide], largest) {
  svgElement(svg, "text", { x, y: 74 }, `${width} × ${depth}`);
  if (!side) return;
  const top = 80;
  for (const [kind, one] of [["ghost", seedSide], ["body", side]]) {
    const length = Math.max(1.5, (ARCH.square * one) / largest);
    svgElement(svg, "rect", { x, y: top + (ARCH.square - length) / 2, width: length, height: length, class: kind });
  }
  svgElement(svg, "text", { x: x + ARCH.square + 4, y: top + 9 }, `${side}²`);
}

for (const svg of document.querySelectorAll("svg[data-drawing]")) {
  drawArchitecture(svg, page.drawings[Number(svg.dataset.drawing)]);
}
