// Draws <c-chart>: a Plotly figure in the element's data-figure (htmx removes scripts from parts), in the colours of the theme.
const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const motionless = { displaylogo: false, responsive: true, modeBarButtonsToRemove: ["lasso2d", "select2d"] };

function themed(layout = {}) {
  const axis = { gridcolor: token("--line-soft"), linecolor: token("--line"), zerolinecolor: token("--line"), automargin: true };
  const axes = Object.fromEntries(Object.keys({ xaxis: 1, yaxis: 1, ...layout })
    .filter((key) => /^[xy]axis\d*$/.test(key)).map((key) => [key, { ...axis, ...layout[key] }]));
  return {
    margin: { l: 56, r: 16, t: 24, b: 48 },
    colorway: ["#0f6cbd", "#c4501b", "#107c10", "#8764b8", "#038387", "#b4009e", "#986f0b", "#69797e"],
    ...layout, ...axes,
    paper_bgcolor: "rgba(0,0,0,0)", plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: token("--tblr-font-sans-serif"), size: 12, color: token("--text-2") },
    hoverlabel: { bgcolor: token("--surface"), bordercolor: token("--line"), font: { color: token("--text") } },
  };
}

function draw(element) {
  const figure = JSON.parse(element.dataset.figure);
  element.querySelector(".skeleton")?.remove();
  element.figure = figure;
  window.Plotly.react(element, figure.data, themed(figure.layout), { ...motionless, ...figure.config });
}

export function drawAll(root = document) {
  root.querySelectorAll?.(".chart[data-figure]").forEach(draw);
}

document.addEventListener("htmx:load", (event) => drawAll(event.detail.elt));  // what was swapped in
document.addEventListener("studio:theme", () => document.querySelectorAll(".chart").forEach((element) => {
  if (element.figure) window.Plotly.relayout(element, themed(element.figure.layout));
}));
drawAll();
