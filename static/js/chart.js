// Draws <c-chart>: a Plotly figure, in the colours of the theme. Its figure is in data-figure (htmx removes
// scripts from parts), or is asked for by chart-served.js.
export const PALETTE = ["#0f6cbd", "#e46901", "#01a680", "#c276b2", "#2a297c", "#44091e", "#694802", "#595656"];  // studio/charts/colours.py
const HEX = /^#[0-9a-f]{6}([0-9a-f]{2})?$/;
const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const motionless = { displaylogo: false, showSendToCloud: false, plotlyServerURL: "", responsive: true, modeBarButtonsToRemove: ["lasso2d", "select2d"] };

// Colours of runs are named as in the light theme; with the alpha they came with.
function ink(text) {
  const number = HEX.test(text) ? PALETTE.indexOf(text.slice(0, 7)) : -1;
  return number < 0 ? text : token(`--series-${number + 1}`) + text.slice(7);
}

function inked(value) {
  if (typeof value === "string") return ink(value);
  if (Array.isArray(value)) return ["object", "string"].includes(typeof value[0]) ? value.map(inked) : value;
  if (value === null || typeof value !== "object" || ArrayBuffer.isView(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, inked(inner)]));
}

function themed(layout = {}) {
  const axis = { gridcolor: token("--line-soft"), linecolor: token("--line"), zerolinecolor: token("--line"), automargin: true };
  const axes = Object.fromEntries(Object.keys({ xaxis: 1, yaxis: 1, ...layout })
    .filter((key) => /^[xy]axis\d*$/.test(key)).map((key) => [key, { ...axis, ...layout[key] }]));
  return {
    margin: { l: 56, r: 16, t: 24, b: 48 },
    colorway: PALETTE.map(ink),
    ...inked(layout), ...axes,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: token("--tblr-font-sans-serif"), size: 12, color: token("--text-2") },
    hoverlabel: { bgcolor: token("--surface"), bordercolor: token("--line"), font: { color: token("--text") } },
  };
}

// A legend below a chart takes nothing of it: the figure becomes as much higher as its rows need, in as many columns
// as have room for its longest name.
function withLegendBelow(layout, data, width) {
  if (!layout?.showlegend || layout.legend?.yref !== "container") return layout;
  const names = data.filter((trace) => trace.showlegend !== false).map((trace) => trace.name ?? "");
  const room = width - layout.margin.l - layout.margin.r;
  const needed = 48 + 7.5 * Math.max(...names.map((name) => name.length));  // pixels: the mark, and letters of size 12
  const columns = Math.max(1, Math.min(names.length, Math.floor(room / needed)));
  const below = 19 * (Math.ceil(names.length / columns) + (layout.legend.title ? 1 : 0)) + 12;
  return {
    ...layout, height: layout.height + below, margin: { ...layout.margin, b: layout.margin.b + below },
    legend: { ...layout.legend, entrywidth: 0.98 / columns, entrywidthmode: "fraction" },
  };
}

export function draw(element, figure) {
  element.querySelector(".skeleton")?.remove();
  element.figure = figure;
  const layout = withLegendBelow(figure.layout, figure.data, element.clientWidth);
  if (layout?.height) element.style.height = `${layout.height}px`;  // a responsive chart is as high as its element
  return window.Plotly.react(element, inked(figure.data), themed(layout), { ...motionless, ...figure.config });
}

export function drawAll(root = document) {
  root.querySelectorAll?.(".chart[data-figure]").forEach((element) => draw(element, JSON.parse(element.dataset.figure)));
}

// A picture stands by itself: on the ground of the theme, not on none.
export function save(element, format) {
  const { width, height } = element.getBoundingClientRect();
  const layout = { ...element.layout, paper_bgcolor: token("--surface"), plot_bgcolor: token("--surface") };
  const filename = (element.dataset.chartName || element.id).replace(/[^\w.-]+/g, "-") || "chart";
  return window.Plotly.downloadImage({ data: element.data, layout },
    { format, filename, width: Math.round(width), height: Math.round(height), scale: format === "png" ? 2 : 1 });
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-chart-save]");
  const element = button && document.getElementById(button.dataset.chartOf);
  if (element?.figure) save(element, button.dataset.chartSave);
});
document.addEventListener("htmx:load", (event) => drawAll(event.detail.elt));  // what was swapped in
document.addEventListener("studio:theme", () => document.querySelectorAll(".chart").forEach((element) => {
  if (element.figure) draw(element, element.figure);
}));
drawAll();
