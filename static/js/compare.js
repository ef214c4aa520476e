// Charts of runs: saving them, opening a run, bounds on parallel axes, and asking again while runs are going.
const EVERY_MS = 3000;
const token = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

// --- saving ----------------------------------------------------------------------------------------
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-chart-save]");
  const chart = button && document.getElementById(button.dataset.chart);
  if (!chart?.data) return;
  const ground = token("--surface");  // else a picture of the dark theme is light on nothing
  const figure = { data: chart.data, layout: { ...chart.layout, paper_bgcolor: ground, plot_bgcolor: ground } };
  const size = { width: Math.max(chart.clientWidth, 640), height: chart.clientHeight };
  window.Plotly.downloadImage(figure, { format: button.dataset.chartSave, filename: button.dataset.file, scale: 2, ...size });
});

// --- what a drawn chart answers to -----------------------------------------------------------------
function brushed(chart, range) {
  const axes = chart.layout?.meta?.brush;
  if (!axes || !range?.x) return;
  const url = new URL(location.href);
  const kept = url.searchParams.getAll("keep");
  const [left, right] = [...range.x].sort((a, b) => a - b);
  const [low, high] = [...range.y].sort((a, b) => a - b).map((end) => Math.min(Math.max(end, 0), 1));
  const within = axes.filter((axis, place) => axis.ends && place >= left - 0.1 && place <= right + 0.1);
  const names = new Set(within.map((axis) => axis.name));
  const others = kept.filter((text) => !names.has(text.split(":").slice(2).join(":")));
  url.searchParams.delete("keep");
  const bound = ({ ends: [from, to], name }) => `${from + (to - from) * low}:${from + (to - from) * high}:${name}`;
  [...others, ...within.map(bound)].forEach((text) => url.searchParams.append("keep", text));
  if (within.length) location.assign(url);
}

function listen(chart) {
  if (!chart.on || chart.listening) return;
  chart.listening = true;
  chart.on("plotly_click", ({ points: [point] }) => {
    const run = point?.customdata ?? point?.data?.meta;
    if (typeof run === "string" && /^[\w-]{8,64}$/.test(run)) location.assign(`/runs/${run}/`);
  });
  if (document.getElementById("chart-form")) chart.on("plotly_selected", (event) => brushed(chart, event?.range));
}

function listenAll(root = document) { root.querySelectorAll?.(".chart").forEach(listen); }
document.addEventListener("htmx:load", (event) => listenAll(event.detail.elt));  // after chart.js has drawn it
listenAll();

// --- live ------------------------------------------------------------------------------------------
const isSeen = (card) => { const box = card.getBoundingClientRect(); return box.bottom > 0 && box.top < innerHeight; };

async function again(card) {
  const answer = await fetch(card.dataset.live, { headers: { Accept: "application/json" } });
  if (!answer.ok) return;  // the next time may do better
  const { figure, open } = await answer.json();
  const chart = card.querySelector(".chart");
  if (figure && chart) {
    chart.dataset.figure = JSON.stringify(figure);
    document.dispatchEvent(new CustomEvent("htmx:load", { detail: { elt: card } }));  // chart.js draws it in place
  }
  if (!open) delete card.dataset.live;
}

setInterval(() => {
  if (document.hidden) return;
  document.querySelectorAll("[data-live]").forEach(async (card) => {
    if (card.asking || !isSeen(card)) return;
    card.asking = true;
    try { await again(card); } catch { /* the network is away: asked again in a moment */ } finally { card.asking = false; }
  });
}, EVERY_MS);
