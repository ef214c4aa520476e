// What every page does: requests of htmx, copying, secrets, panel, questions, toasts, times.
const words = document.getElementById("words").dataset;
const panel = document.getElementById("panel");
const panelContent = document.getElementById("panel-content");

// --- requests ------------------------------------------------------------------------------------
document.addEventListener("htmx:configRequest", (event) => {
  event.detail.headers["X-CSRFToken"] = document.querySelector("meta[name=csrf-token]").content;
});

document.addEventListener("htmx:beforeRequest", (event) => {
  const { elt, target } = event.detail;
  const polls = (elt.getAttribute("hx-trigger") || "").includes("every");
  if (polls && document.hidden) event.preventDefault();  // a hidden tab asks for nothing
  else if (target === panelContent && !panel.open) {
    panelContent.replaceChildren(document.getElementById("panel-skeleton").content.cloneNode(true));
    panel.showModal();
  }
});

function requestFailed(event) {
  const { elt, target, xhr } = event.detail;
  const status = xhr?.status || 0;
  const lazy = elt.closest?.("[data-lazy]");
  if (lazy) {
    lazy.querySelector(".skeleton").hidden = true;
    lazy.querySelector("[data-lazy-error]").hidden = false;
    return;
  }
  if (target === panelContent && panelContent.querySelector(".skeleton")) panel.close();
  if ((elt.getAttribute("hx-trigger") || "").includes("every")) return;  // the next poll may do better
  if (status === 401) toast("error", words.signedOut);
  else toast("error", serverMessage(xhr) || (status ? words.refused : words.unreachable));
}
["htmx:responseError", "htmx:sendError", "htmx:timeout"].forEach((name) =>
  document.addEventListener(name, requestFailed));

function serverMessage(xhr) {
  if (!xhr?.getResponseHeader("Content-Type")?.includes("json")) return "";
  try { return JSON.parse(xhr.responseText).message || ""; } catch { return ""; }
}

document.addEventListener("htmx:afterSwap", (event) => {
  refresh(event.detail.target ?? document);  // a page of the history names no target
  if (event.detail.target !== panelContent) return;
  if (!panelContent.firstElementChild) { panel.close(); return; }
  panel.setAttribute("aria-label", panelContent.querySelector("h2")?.textContent.trim() || "");
  (panelContent.querySelector("[data-invalid] :is(input, select, textarea), [autofocus]")
    || panelContent.querySelector(".panel-body :is(input:not([type=hidden]), select, textarea)"))?.focus();
});

// --- focus: a part that is drawn anew does not take away the place that the keyboard had in it ------
let place = null;

function likeness(item) {
  const told = ["href", "name", "aria-label"].map((name) => item.getAttribute(name));
  return JSON.stringify([item.tagName, item.closest("form")?.getAttribute("action"), ...told, item.textContent.trim()]);
}

function alike(like) {
  const controls = document.querySelectorAll("a[href], button, input, select, textarea, summary, [tabindex]");
  return [...controls].filter((item) => likeness(item) === like);
}

function keepPlace(event) {
  const item = document.activeElement;
  // htmx itself finds what has an id
  if (item === document.body || item.id || !event.detail.target?.contains?.(item)) return;
  const like = likeness(item);
  place = { like, at: alike(like).indexOf(item) };
}
document.addEventListener("htmx:beforeSwap", (event) => { place = null; keepPlace(event); });
document.addEventListener("htmx:oobBeforeSwap", keepPlace);  // a part of the same answer

["htmx:afterSwap", "htmx:oobAfterSwap"].forEach((name) => document.addEventListener(name, () => {
  if (place && document.activeElement === document.body) alike(place.like)[place.at]?.focus({ preventScroll: true });
}));

// --- announcements -------------------------------------------------------------------------------
export function announce(text) { document.getElementById("announce").textContent = text; }

export function toast(level, text) {
  const bar = document.getElementById("toast-template").content.firstElementChild.cloneNode(true);
  bar.classList.add(`tone-${level}`);
  bar.querySelector(".text").textContent = text;
  show(bar);
}

function show(bar) {
  document.getElementById("toasts").append(bar);
  if (!bar.classList.contains("tone-error")) setTimeout(() => bar.remove(), 6000);
}

document.addEventListener("toast", (event) => toast(event.detail.level || "info", event.detail.text));

// --- clicks --------------------------------------------------------------------------------------
const actions = {
  "[data-dismiss]": (button) => button.closest(".message-bar").remove(),
  "[data-panel-close]": () => panel.close(),
  "[data-copy]": (button) => copy(button, button.dataset.copy || textOf(button.dataset.copyFrom)),
  "[data-secret-show]": async (button) => reveal(button, await secretOf(button)),
  "[data-secret-copy]": async (button) => copy(button, await secretOf(button)),
  "[data-lazy-retry]": (button) => {
    const lazy = button.closest("[data-lazy]");
    lazy.querySelector(".skeleton").hidden = false;
    lazy.querySelector("[data-lazy-error]").hidden = true;
    window.htmx.trigger(lazy, "retry");
  },
};
document.addEventListener("click", (event) => {
  for (const [selector, act] of Object.entries(actions)) {
    const hit = event.target.closest(selector);
    if (hit) { event.preventDefault(); act(hit); return; }
  }
});

const textOf = (selector) => document.querySelector(selector)?.textContent ?? "";

async function copy(button, text) {
  if (text === null) return;
  if (!(await toClipboard(text))) { toast("error", words.notCopied); return; }
  announce(words.copied);
  const icon = button.querySelector("svg");
  if (!icon || button.dataset.copying) return;
  button.dataset.copying = "yes";
  const check = document.getElementById("check-template").content.firstElementChild.cloneNode(true);
  icon.replaceWith(check);
  setTimeout(() => { check.replaceWith(icon); delete button.dataset.copying; }, 1500);
}

async function toClipboard(text) {
  try { await navigator.clipboard.writeText(text); return true; } catch { /* plain http: the old way */ }
  const area = Object.assign(document.createElement("textarea"), { value: text, readOnly: true });
  (document.querySelector("dialog[open]") || document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  return done;
}

async function secretOf(button) {
  const box = button.closest(".secret");
  if (box.dataset.value !== undefined) return box.dataset.value;
  try {
    const answer = await fetch(box.dataset.url, {
      method: box.dataset.method || "GET",
      headers: { Accept: "application/json", "X-CSRFToken": document.querySelector("meta[name=csrf-token]").content },
    });
    if (!answer.ok) throw new Error(answer.statusText);
    return (await answer.json())[box.dataset.field];
  } catch { toast("error", words.unreachable); return null; }
}

function reveal(button, text) {
  if (text === null) return;
  const output = button.closest(".secret").querySelector("output");
  const shown = output.dataset.mask !== undefined;
  if (!shown) output.dataset.mask = output.textContent;
  output.textContent = shown ? output.dataset.mask : text;
  if (shown) delete output.dataset.mask;
  button.textContent = shown ? words.show : words.hide;
  button.setAttribute("aria-label", `${button.textContent} ${output.getAttribute("aria-label")}`);
}

// --- questions before something is done -------------------------------------------------------------
function ask(source, question) {
  const dialog = document.getElementById("confirm");
  const { confirmTitle, confirmVerb, confirmType, confirmDanger } = source.dataset;
  const [yes, no] = dialog.querySelectorAll("button");
  const typed = dialog.querySelector("[data-confirm-typed]");
  const input = typed.querySelector("input");
  dialog.querySelector("h2").textContent = confirmTitle || source.textContent.trim() || yes.textContent;
  dialog.querySelector("[data-confirm-text]").textContent = question;
  yes.textContent = confirmVerb || source.textContent.trim() || yes.textContent;
  yes.className = confirmDanger !== undefined ? "btn btn-danger" : "btn btn-primary";
  typed.hidden = !confirmType;
  typed.querySelector("code").textContent = confirmType || "";
  input.value = "";
  yes.disabled = Boolean(confirmType);
  input.oninput = () => { yes.disabled = Boolean(confirmType) && input.value !== confirmType; };
  no.onclick = () => dialog.close("no");
  dialog.returnValue = "no";
  dialog.showModal();
  (confirmType ? input : no).focus();
  return new Promise((answer) =>
    dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true }));
}

document.addEventListener("ask", async ({ detail }) => detail.answer(await ask(detail.source, detail.question)));

document.addEventListener("htmx:confirm", async (event) => {
  if (!event.detail.question) return;
  event.preventDefault();
  if (await ask(event.detail.elt, event.detail.question)) event.detail.issueRequest(true);
});

document.addEventListener("submit", async (event) => {
  const source = event.submitter?.dataset.confirm ? event.submitter : event.target;
  if (!source.dataset?.confirm || source.dataset.confirmed) return;
  event.preventDefault();
  if (!(await ask(source, source.dataset.confirm))) return;
  source.dataset.confirmed = "yes";
  event.target.requestSubmit(event.submitter);
  delete source.dataset.confirmed;
}, true);

// --- panel ---------------------------------------------------------------------------------------
panel.addEventListener("close", () => panelContent.replaceChildren());  // focus returns by itself
panel.addEventListener("mousedown", (event) => {
  const typedInto = [...panel.querySelectorAll("input, textarea")].some((field) =>
    field.type !== "hidden" && field.value !== field.defaultValue);
  if (event.target === panel && !typedInto) panel.close();
});

// --- times ---------------------------------------------------------------------------------------
const language = document.documentElement.lang || "en";
const ago = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
const full = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "long" });
const steps = [[86400, "day"], [3600, "hour"], [60, "minute"]];

function showTime(element) {
  const moment = new Date(element.dateTime);
  const seconds = Math.round((Date.now() - moment) / 1000);
  element.title = full.format(moment);
  if (seconds < 60 || seconds > 30 * 86400) return;  // the server's words are right
  const [size, unit] = steps.find(([limit]) => seconds >= limit);
  element.textContent = ago.format(-Math.floor(seconds / size), unit);
}

function refresh(root) {
  root.querySelectorAll?.("time[data-relative]").forEach(showTime);
  root.querySelectorAll?.(".message-bar[data-toast]").forEach(show);
}
setInterval(() => { if (!document.hidden) refresh(document); }, 30_000);
refresh(document);
