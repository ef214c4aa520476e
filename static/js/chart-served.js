// Charts whose figure the server makes: asked for when they come into view, again for the stretch that is zoomed to,
// when the settings of the page change, and when a run that is going has logged more.
import { draw } from "./chart.js";

const NEWS_EVERY = 1000;  // milliseconds; a point is drawn within three seconds
const SETTLED = 150;
const form = document.querySelector("form[data-chart-settings]");
const known = new WeakMap();  // element -> what is known of its chart
const later = new WeakMap();

class Chart {
  constructor(element) {
    this.element = element;
    this.visible = false;
    this.stale = true;  // must be asked for when it comes into view
    this.range = null;
    this.mark = "";
  }

  address() {
    const url = new URL(this.element.dataset.chartUrl, location.href);
    for (const [name, value] of settings()) url.searchParams.set(name, value);
    if (this.range) this.range.forEach((end, index) => url.searchParams.set(["low", "high"][index], end));
    if (this.origin !== undefined) { url.searchParams.set("origin", this.origin); url.searchParams.set("unit", this.unit); }
    return url;
  }

  async load() {
    this.stale = false;
    this.asked?.abort();
    this.asked = new AbortController();
    const { signal } = this.asked;
    try {
      const answer = await fetch(this.address(), { signal, headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(answer.statusText);
      await this.show(await answer.json());
      this.failed(false);
    } catch (error) {
      if (error.name !== "AbortError") this.failed(true);
    }
  }

  async show({ data, layout, meta }) {
    if (meta.origin !== null) { this.origin = meta.origin; this.unit = meta.unit; }
    if (this.range && this.whole) data = spliced(this.whole, data, this.range);
    else this.whole = data;
    if (this.element.closest(".charts.single")) layout.height = 480;
    if (this.range) layout.xaxis.range = this.element.layout?.xaxis?.range;
    await draw(this.element, { data, layout });
    if (!this.listens) this.element.on("plotly_relayout", (change) => this.moved(change));
    this.listens = true;
    this.element.dataset.chartDrawn = String(meta.drawn);
    const notes = this.element.closest(".chart-frame").querySelector("[data-chart-notes]");
    notes.replaceChildren(...meta.notes.map((text) => Object.assign(document.createElement("p"), { textContent: text })));
  }

  failed(is) {
    const frame = this.element.closest(".chart-frame");
    frame.querySelector("[data-chart-failed]").hidden = !is;
    if (is) this.element.querySelector(".skeleton")?.remove();
  }

  moved(change) {
    const ends = change["xaxis.range"] || [change["xaxis.range[0]"], change["xaxis.range[1]"]];
    if (change["xaxis.autorange"]) this.range = null;
    else if (ends[0] !== undefined && ends[1] !== undefined) this.range = ends.map(position);
    else return;  // another size, another scale
    soon(this.element, () => this.load());
  }

  forgetView() {
    this.range = null;
    this.whole = undefined;
    this.origin = undefined;
    if (this.element.figure) delete this.element.layout?.xaxis?.range;
  }
}

// Plotly tells moments as texts without a zone; the server counts milliseconds.
const position = (end) => (typeof end === "number" ? end
  : /^-?\d+(\.\d+)?$/.test(end) ? Number(end) : Date.parse(`${end.replace(" ", "T")}Z`));

// What is known of the whole line outside of the stretch that is looked at, so that it does not end at its edge.
function spliced(whole, part, [low, high]) {
  if (whole.length !== part.length) return part;
  return part.map((trace, index) => {
    const outer = whole[index];
    const before = outer.x.findLastIndex((x) => x < low) + 1;
    const after = outer.x.findIndex((x) => x > high);
    const joined = (name) => [...outer[name].slice(0, before), ...trace[name], ...(after < 0 ? [] : outer[name].slice(after))];
    return { ...trace, x: joined("x"), y: joined("y"), ...(trace.customdata && { customdata: joined("customdata") }) };
  });
}

function soon(element, act) {
  clearTimeout(later.get(element));
  later.set(element, setTimeout(act, SETTLED));
}

function settings() {
  if (!form) return [];
  return [...new FormData(form)].filter(([name, value]) => value !== "" && ["axis", "smooth", "log", "band"].includes(name));
}

// --- in view ---------------------------------------------------------------------------------------
const watcher = new IntersectionObserver((entries) => entries.forEach(({ target, isIntersecting }) => {
  const chart = known.get(target);
  chart.visible = isIntersecting;
  if (chart.visible && chart.stale) chart.load();
}), { rootMargin: "200px" });

function find(root = document) {
  root.querySelectorAll?.(".chart[data-chart-url]").forEach((element) => {
    if (known.has(element)) return;
    known.set(element, new Chart(element));
    watcher.observe(element);
  });
}
const charts = () => [...document.querySelectorAll(".chart[data-chart-url]")].map((element) => known.get(element)).filter(Boolean);

function refresh(chart) {
  if (chart.visible) chart.load();
  else chart.stale = true;
}

// --- settings --------------------------------------------------------------------------------------
function keepAddress() {
  const url = new URL(location.href);
  for (const name of ["axis", "smooth", "log", "band"]) url.searchParams.delete(name);
  for (const [name, value] of settings()) if (!(name === "smooth" && Number(value) === 0) && !(name === "axis" && value === "step")) url.searchParams.set(name, value);
  history.replaceState(history.state, "", url);
}

form?.addEventListener("input", (event) => {
  if (!["axis", "smooth", "log", "band"].includes(event.target.name)) return;
  const output = form.querySelector("output");
  if (event.target.name === "smooth" && output) output.textContent = event.target.value;
  if (event.target.name === "axis") charts().forEach((chart) => { chart.forgetView(); });
  soon(form, () => { keepAddress(); charts().forEach((chart) => { chart.whole = undefined; refresh(chart); }); });
});

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-chart-retry]");
  if (button) known.get(document.getElementById(button.dataset.chartRetry))?.load();
});

// --- a run that is going ---------------------------------------------------------------------------
const source = document.querySelector("[data-chart-news]");

async function ask() {
  const watched = charts().filter((chart) => chart.visible && chart.element.dataset.chartMetric);
  const url = new URL(source.dataset.chartNews, location.href);
  watched.slice(0, 50).forEach((chart) => url.searchParams.append("key", chart.element.dataset.chartMetric));
  const answer = await fetch(url, { headers: { Accept: "application/json" } });
  if (!answer.ok) throw new Error(answer.statusText);
  const { open, latest } = await answer.json();
  for (const chart of watched) {
    const news = latest[chart.element.dataset.chartMetric];
    if (!news || news.mark === chart.mark) continue;
    const first = chart.mark === "";
    chart.mark = news.mark;
    if (!first || chart.element.dataset.chartDrawn === "0") chart.load();
  }
  if (!open) charts().forEach((chart) => refresh(chart));  // what came last
  return open;
}

async function follow(wait = NEWS_EVERY) {
  let open = true;
  const started = performance.now();
  let next = NEWS_EVERY;
  if (!document.hidden) {  // a hidden tab asks for nothing
    try { open = await ask(); } catch { next = Math.min(wait * 2, 15_000); }
  }
  const took = performance.now() - started;
  if (open) setTimeout(() => follow(next), Math.max(next, 3 * took));
  else source.dataset.chartEnded = "";
}

document.addEventListener("htmx:load", (event) => find(event.detail.elt));
find();
if (source) follow();
