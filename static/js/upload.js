// The page that registers uploaded files: drag and drop, folders, progress. Without this script the
// form sends the chosen files itself.
const form = document.getElementById("upload-form");
const part = (name) => form.querySelector(`[data-${name}]`);
const zone = part("drop");
const SHOWN = 200;
const PAIRS = new Set(["tags", "properties"]);
let chosen = [];  // {path, file}
let sending = null;

// --- choosing ------------------------------------------------------------------------------------
part("drop-words").hidden = false;
form.querySelectorAll("input[type=file]").forEach((input) => input.addEventListener("change", () => {
  add([...input.files].map((file) => ({ path: file.webkitRelativePath || file.name, file })));
  input.value = "";
}));

["dragenter", "dragover"].forEach((name) => zone.addEventListener(name, (event) => {
  event.preventDefault();
  zone.classList.add("over");
}));
["dragleave", "drop"].forEach((name) => zone.addEventListener(name, () => zone.classList.remove("over")));
zone.addEventListener("drop", async (event) => {
  event.preventDefault();
  // the list of entries is gone after the first await, so all are taken at once
  const entries = [...event.dataTransfer.items].filter((item) => item.kind === "file")
    .map((item) => item.webkitGetAsEntry() || item.getAsFile());
  const found = await Promise.all(entries.filter(Boolean).map(filesOf));
  add(found.flat());
});

async function filesOf(entry) {
  if (entry instanceof File) return [{ path: entry.name, file: entry }];
  if (entry.isFile) {
    const file = await new Promise((done, failed) => entry.file(done, failed));
    return [{ path: entry.fullPath.replace(/^\//, ""), file }];
  }
  const reader = entry.createReader();
  const inner = [];
  for (;;) {  // a reader gives at most a hundred entries at once
    const some = await new Promise((done, failed) => reader.readEntries(done, failed));
    if (!some.length) break;
    inner.push(...some);
  }
  return (await Promise.all(inner.map(filesOf))).flat();
}

function add(files) {
  const paths = new Map(chosen.map((item) => [item.path, item]));
  files.forEach((item) => paths.set(item.path, item));
  chosen = [...paths.values()];
  show();
}

function show() {
  part("chosen").hidden = !chosen.length;
  const words = part("chosen-words");
  const bytes = chosen.reduce((sum, item) => sum + item.file.size, 0);
  const count = chosen.length === 1 ? words.dataset.one : words.dataset.many.replace("%s", chosen.length);
  words.textContent = `${count}, ${size(bytes)}`;
  part("chosen-names").replaceChildren(...chosen.slice(0, SHOWN).map((item) => {
    const line = document.createElement("li");
    line.textContent = item.path;
    return line;
  }));
  const name = form.elements.name;
  if (!name.value && chosen.length) name.value = suggested(chosen[0].path);
}

const suggested = (path) => path.split("/")[0].replace(/\.(zip|tar|tgz|tar\.\w+|\w{1,8})$/i, "")
  .replace(/[^a-zA-Z0-9\-._]+/g, "-").replace(/^[-._]+/, "");

function size(bytes) {
  const units = ["B", "KB", "MB", "GB", "TB"];
  let at = 0;
  while (bytes >= 1024 && at < units.length - 1) { bytes /= 1024; at += 1; }
  return `${bytes.toLocaleString(document.documentElement.lang || "en", { maximumFractionDigits: 1 })} ${units[at]}`;
}

part("chosen-clear").addEventListener("click", () => { chosen = []; show(); });

// --- sending -------------------------------------------------------------------------------------
form.addEventListener("submit", (event) => {
  if (form.elements.server_path?.value.trim() && !chosen.length) return;  // the form itself does it
  event.preventDefault();
  if (!sending) send();
});

// lines of key=value as the API takes them
function pairs(text) {
  const lines = text.split("\n").filter((line) => line.trim());
  return JSON.stringify(Object.fromEntries(lines.map((line) => {
    const at = line.indexOf("=");
    return at < 0 ? [line.trim(), ""] : [line.slice(0, at).trim(), line.slice(at + 1).trim()];
  })));
}

function send() {
  const body = new FormData();
  for (const [name, value] of new FormData(form)) {
    const isField = typeof value === "string" && name !== "csrfmiddlewaretoken" && name !== "server_path";
    if (isField && value.trim() !== "") body.append(name, PAIRS.has(name) ? pairs(value) : value);
  }
  chosen.forEach((item) => body.append("files", item.file, item.path));
  sending = new XMLHttpRequest();
  sending.open("POST", form.dataset.api);
  sending.setRequestHeader("X-CSRFToken", document.querySelector("meta[name=csrf-token]").content);
  sending.setRequestHeader("Accept", "application/json");
  sending.upload.addEventListener("progress", progress);
  sending.addEventListener("load", loaded);
  ["error", "timeout"].forEach((name) => sending.addEventListener(name, () =>
    failed(document.getElementById("words").dataset.unreachable)));
  sending.addEventListener("abort", () => failed(""));
  busy(true);
  failed("", true);
  sending.send(body);
}

function progress(event) {
  if (!event.lengthComputable) return;
  const bar = part("progress").querySelector("progress");
  const words = part("progress-words");
  bar.value = event.total ? (100 * event.loaded) / event.total : 100;
  words.textContent = event.loaded < event.total
    ? words.dataset.sending.replace("%s", `${size(event.loaded)} / ${size(event.total)}`)
    : words.dataset.keeping;
}

function loaded() {
  let answer = {};
  try { answer = JSON.parse(sending.responseText); } catch { /* no JSON: the sentence below says so */ }
  if (sending.status === 201) {
    const name = encodeURIComponent(answer.name);
    window.location = `${form.dataset.page}${name}/versions/${encodeURIComponent(answer.version)}/`;
    return;
  }
  const words = document.getElementById("words").dataset;
  const fields = Object.entries(answer.fields || {}).flatMap(([field, texts]) => texts.map((text) => [field, text]));
  failed(answer.message || (sending.status === 401 ? words.signedOut : words.refused), false, fields);
}

function failed(message, goesOn = false, fields = []) {
  const bar = part("upload-error");
  bar.hidden = !message;
  bar.querySelector(".text").textContent = message;
  form.querySelectorAll(".field .error[data-sent]").forEach((old) => old.remove());
  form.querySelectorAll(".field[data-invalid]").forEach((old) => old.removeAttribute("data-invalid"));
  for (const [name, text] of fields) {
    const field = form.elements[name]?.closest?.(".field");
    if (!field) continue;
    const error = Object.assign(document.createElement("div"), { className: "error", textContent: text });
    error.dataset.sent = "";
    field.append(error);
    field.setAttribute("data-invalid", "");
  }
  if (!goesOn) { sending = null; busy(false); }
  if (message) bar.scrollIntoView({ block: "center" });
}

function busy(yes) {
  part("progress").hidden = !yes;
  part("upload-button").disabled = yes;
}

part("progress-stop").addEventListener("click", () => sending?.abort());
window.addEventListener("beforeunload", (event) => { if (sending?.readyState < 4) event.preventDefault(); });
