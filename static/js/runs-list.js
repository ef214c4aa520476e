// The table of runs: ticks and what can be done with them, and the tree of nested runs.
const ticked = new Set();
const boxes = () => [...document.querySelectorAll("#runs input[name=run]")];

function count() {
  const bar = document.getElementById("bulk");
  if (!bar) return;
  const number = ticked.size;
  const label = bar.querySelector("[data-ticked]");
  const { one, many, none } = label.dataset;
  label.textContent = number === 0 ? none : number === 1 ? one : many.replace("#", number);
  bar.querySelectorAll("[data-bulk]").forEach((button) => {
    button.disabled = number < Number(button.dataset.atLeast || 1);
  });
  const all = document.querySelector("#runs [data-tick-all]");
  if (!all) return;
  all.hidden = false;
  const seen = boxes();
  all.checked = seen.length > 0 && seen.every((box) => box.checked);
  all.indeterminate = number > 0 && !all.checked;
}

function mark(box) {
  if (box.checked) ticked.add(box.value); else ticked.delete(box.value);
  box.closest("tr").setAttribute("aria-selected", String(box.checked));
}

document.addEventListener("change", (event) => {
  if (event.target.matches("#runs [data-tick-all]")) {
    boxes().forEach((box) => { box.checked = event.target.checked; mark(box); });
  } else if (event.target.matches("#runs input[name=run]")) mark(event.target);
  else return;
  count();
});

// --- tree ----------------------------------------------------------------------------------------
const below = (id) => [...document.querySelectorAll("#runs tr[data-parent]")].filter((row) => row.dataset.parent === id);
const expanderOf = (row) => row.querySelector("[data-run]");

function open(expander, wanted) {
  expander.setAttribute("aria-expanded", String(wanted));
  below(expander.dataset.run).forEach((row) => {
    row.hidden = !wanted;
    const inner = expanderOf(row);
    if (inner && inner.getAttribute("aria-expanded") === "true") open(inner, wanted);
  });
}

document.addEventListener("click", (event) => {
  const expander = event.target.closest?.("#runs [data-run]");
  if (!expander || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  if (below(expander.dataset.run).length > 0) {
    open(expander, expander.getAttribute("aria-expanded") !== "true");
  } else if (!expander.dataset.loading) {
    expander.dataset.loading = "yes";
    window.htmx.trigger(expander, "load-children");
  }
});
document.addEventListener("keydown", (event) => {
  const expander = event.target.closest?.("#runs [data-run]");
  if (expander && event.key === " ") { event.preventDefault(); expander.click(); }
});

// --- popovers open below what opened them ---------------------------------------------------------
document.addEventListener("toggle", (event) => {
  const popover = event.target;
  if (event.newState !== "open" || !popover.matches?.(".list-popover")) return;
  const opener = document.querySelector(`[popovertarget="${popover.id}"]`);
  if (!opener) return;
  const box = opener.getBoundingClientRect();
  const left = Math.max(8, Math.min(box.left, window.innerWidth - popover.offsetWidth - 24));
  const top = Math.max(8, Math.min(box.bottom + 4, window.innerHeight - popover.offsetHeight - 8));
  Object.assign(popover.style, { left: `${left}px`, top: `${top}px`, right: "auto" });
}, true);

// --- after htmx has put something in --------------------------------------------------------------
function refresh() {
  const seen = new Set();
  boxes().forEach((box) => {
    if (ticked.has(box.value)) box.checked = true;
    if (box.checked) { seen.add(box.value); box.closest("tr").setAttribute("aria-selected", "true"); }
  });
  ticked.clear();
  seen.forEach((id) => ticked.add(id));
  document.querySelectorAll("#runs [data-run]").forEach((expander) => {
    const rows = below(expander.dataset.run);
    if (rows.length === 0) return;
    delete expander.dataset.loading;
    expander.setAttribute("aria-expanded", String(rows.some((row) => !row.hidden)));
  });
  count();
}
["htmx:afterSettle", "htmx:oobAfterSwap"].forEach((name) => document.addEventListener(name, refresh));
document.addEventListener("htmx:afterRequest", (event) => { delete event.detail.elt.dataset?.loading; });
refresh();
