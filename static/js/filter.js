// The filter of a list of runs: offers what can come next, marks the wrong word, opens its forms again.
let wait = 0;
let asked = 0;
let offered = null;  // { start, end, items } for the box that has the focus
let active = -1;

const listOf = (input) => input.closest("[data-complete]").querySelector("[role=listbox]");
const isFilter = (element) => element?.matches?.("[data-complete] input");

function close(input) {
  offered = null;
  active = -1;
  const list = listOf(input);
  list.hidden = true;
  list.replaceChildren();
  if (input.hasAttribute("role")) input.setAttribute("aria-expanded", "false");
  input.removeAttribute("aria-activedescendant");
}

function show(input) {
  const list = listOf(input);
  list.replaceChildren(...offered.items.map((item, at) => {
    const row = document.createElement("li");
    row.id = `completion-${at}`;
    row.setAttribute("role", "option");
    row.setAttribute("aria-selected", String(at === active));
    const hint = document.createElement("span");
    hint.className = "quiet";
    hint.textContent = item.hint;
    row.append(item.label, " ", hint);
    return row;
  }));
  list.hidden = offered.items.length === 0;
  input.setAttribute("role", "combobox");
  input.setAttribute("aria-autocomplete", "list");
  input.setAttribute("aria-controls", list.id);
  input.setAttribute("aria-expanded", String(!list.hidden));
  if (active >= 0) input.setAttribute("aria-activedescendant", `completion-${active}`);
  else input.removeAttribute("aria-activedescendant");
  list.querySelector("[aria-selected=true]")?.scrollIntoView({ block: "nearest" });
}

async function ask(input) {
  const turn = ++asked;
  const query = new URLSearchParams({ text: input.value, at: input.selectionStart });
  try {
    const answer = await fetch(`${input.closest("[data-complete]").dataset.complete}?${query}`, { headers: { Accept: "application/json" } });
    if (!answer.ok || turn !== asked || document.activeElement !== input) return;
    offered = await answer.json();
    active = -1;
    show(input);
  } catch { /* without an answer there is nothing to offer; the box works all the same */ }
}

function take(input, at) {
  const { start, end, items } = offered;
  input.setRangeText(items[at].insert, start, end, "end");
  close(input);
  input.dispatchEvent(new Event("input", { bubbles: true }));
}

function soon(input) {
  clearTimeout(wait);
  wait = setTimeout(() => ask(input), 120);
}

document.addEventListener("input", (event) => { if (isFilter(event.target)) soon(event.target); });
document.addEventListener("click", (event) => { if (isFilter(event.target)) soon(event.target); });
document.addEventListener("focusout", (event) => { if (isFilter(event.target)) { asked++; close(event.target); } });
document.addEventListener("mousedown", (event) => {
  const row = event.target.closest?.("#completions [role=option]");
  if (!row || !offered) return;
  event.preventDefault();  // the focus stays in the box
  take(row.closest("[data-complete]").querySelector("input"), [...row.parentElement.children].indexOf(row));
});

document.addEventListener("keydown", (event) => {
  const input = event.target;
  if (!isFilter(input)) return;
  const open = offered && offered.items.length > 0;
  if ((event.key === "ArrowDown" || event.key === "ArrowUp") && open) {
    const size = offered.items.length;
    active = event.key === "ArrowDown" ? (active + 1) % size : (active <= 0 ? size : active) - 1;
    show(input);
  } else if (event.key === "ArrowDown") {
    ask(input);
  } else if ((event.key === "Enter" || event.key === "Tab") && open && active >= 0) {
    take(input, active);
  } else if (event.key === "Escape" && open) {
    close(input);
  } else {
    if (event.key === "Enter") { clearTimeout(wait); asked++; close(input); }
    return;
  }
  event.preventDefault();
});

function arrive(root) {
  root.querySelectorAll?.("[data-open-popover]").forEach((form) => form.showPopover());
  const wrong = root.querySelector?.("input[data-wrong-from]");
  if (!wrong) return;
  wrong.focus();
  wrong.setSelectionRange(Number(wrong.dataset.wrongFrom), Number(wrong.dataset.wrongTo));
}
document.addEventListener("htmx:load", (event) => { if (event.detail.elt !== document.body) arrive(event.detail.elt); });
arrive(document);
