// The entry script of the Deploy page: an editor over the textarea, problems as one types, uploads.
// Ace is loaded only when somebody chooses "Entry script"; without it the textarea does the work.
const DELAY = 500;  // milliseconds after the last key
const PARTS = ["aceMode", "aceDark", "aceSearch"];
const ABSENT = ["openCommandPalette", "gotoline", "showSettingsMenu"];  // need parts of Ace that are not here
const token = () => document.querySelector("meta[name=csrf-token]").content;
let loading = null;

function load(url) {
  return new Promise((done, failed) => {
    const script = Object.assign(document.createElement("script"), { src: url, onload: done, onerror: failed });
    document.head.append(script);
  });
}

function ace(box) {
  loading ??= load(box.dataset.ace).then(() => Promise.all(PARTS.map((part) => load(box.dataset[part]))));
  return loading.then(() => window.ace);
}

class ScriptEditor {
  constructor(box) {
    this.box = box;
    this.form = box.closest("form");
    this.text = box.querySelector("[data-script-text]");
    this.list = box.querySelector("[data-script-problems]");
    this.name = box.querySelector("[name=script_name]");
    this.told = box.querySelector("[data-script-upload]");
    this.source = box.querySelector("[data-script-source]");
    this.text.addEventListener("input", () => this.later());
    this.name.addEventListener("change", () => this.open());
    box.querySelector("[data-script-template]").addEventListener("change", (event) => this.template(event.target));
    box.querySelectorAll("[data-script-files]").forEach((input) =>
      input.addEventListener("change", (event) => { event.stopPropagation(); this.upload(input); }));
    this.form.querySelectorAll("[name=code]").forEach((input) => input.addEventListener("change", () => this.show()));
    this.show();
  }

  async show() {
    if (!this.form.querySelector("#code-script").checked || this.editor) return;
    if (!this.text.value) this.set(this.box.querySelector("[data-script-template]").options[1].value);
    try { this.dress(await ace(this.box)); } catch { /* the textarea stays */ }
    this.check();
  }

  dress(library) {
    if (this.editor || !this.box.isConnected) return;
    const place = this.box.querySelector("[data-script-ace]");
    place.hidden = false;
    this.editor = library.edit(place, { mode: "ace/mode/python", useWorker: false, showPrintMargin: false,
      fontSize: 13, tabSize: 4, useSoftTabs: true, enableKeyboardAccessibility: true, minLines: 18, maxLines: 40 });
    this.editor.textInput.getElement().setAttribute("aria-label", this.text.labels[0].textContent);
    this.editor.commands.removeCommands(ABSENT);
    this.theme();
    new MutationObserver(() => this.theme()).observe(document.documentElement, { attributeFilter: ["data-bs-theme"] });
    this.editor.session.setValue(this.text.value);
    this.editor.session.on("change", () => { this.text.value = this.editor.getValue(); this.later(); });
    this.editor.on("blur", () => this.changed());
    this.text.hidden = true;
  }

  theme() {
    const dark = document.documentElement.dataset.bsTheme === "dark";
    this.editor.setTheme(dark ? "ace/theme/tomorrow_night" : "ace/theme/textmate");
  }

  set(text) {
    this.text.value = text;
    this.editor?.session.setValue(text);
  }

  changed() {  // pre-flight looks again
    if (this.before === this.text.value) return;
    this.before = this.text.value;
    this.text.dispatchEvent(new Event("change", { bubbles: true }));
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.check(), DELAY);
  }

  async check() {
    if (!this.box.isConnected) return;
    const asked = this.text.value;
    let problems;
    try {
      const answer = await this.send(this.box.dataset.check, JSON.stringify({ text: asked, name: this.name.value }), "application/json");
      if (!answer.ok) return;
      ({ problems } = await answer.json());
    } catch { return; }  // the next key may do better
    if (asked === this.text.value) this.tell(problems);
  }

  tell(problems) {
    const { wordLine, wordOk } = this.box.dataset;
    const items = problems.map(({ line, sentence }) => this.item("error", line ? `${wordLine} ${line}: ${sentence}` : sentence));
    this.list.replaceChildren(...(items.length ? items : [this.item("quiet", wordOk)]));
    this.editor?.session.setAnnotations(problems.filter(({ line }) => line).map(({ line, sentence }) =>
      ({ row: line - 1, column: 0, text: sentence, type: "error" })));
  }

  item(className, textContent) { return Object.assign(document.createElement("li"), { className, textContent }); }

  template(select) {
    if (!select.value) return;
    this.set(select.value);
    select.value = "";
    this.check();
    this.changed();
  }

  async upload(input) {
    const files = [...input.files];
    if (!files.length) return;
    if (files.reduce((sum, { size }) => sum + size, 0) > Number(this.box.dataset.limit)) {
      this.told.textContent = this.box.dataset.wordLarge;
      input.value = "";
      return;
    }
    const body = new FormData();
    // a folder is given with its own name in front, which is not part of the source folder
    const paths = files.map((file) => file.webkitRelativePath.replace(/^[^/]*\//, "") || file.name);
    files.forEach((file) => body.append("file", file));
    body.append("paths", JSON.stringify(paths));
    this.told.textContent = this.box.dataset.wordSending;
    try {
      const answer = await this.send(this.box.dataset.sources, body);
      const found = await answer.json();
      if (!answer.ok) throw new Error(found.message);
      this.source.value = found.sha256;
      this.told.textContent = found.files.map(({ path }) => path).slice(0, 20).join(", ");
      this.box.querySelector("datalist").replaceChildren(...found.files.map(({ path }) =>
        Object.assign(document.createElement("option"), { value: path })));
      if (found.scripts.length && !found.scripts.includes(this.name.value)) [this.name.value] = found.scripts;
      await this.open();
    } catch (error) { this.told.textContent = error.message || this.box.dataset.wordFailed; }
    input.value = "";
  }

  async open() {  // the chosen file of the uploaded folder goes into the editor
    if (this.source.value) {
      const url = `${this.box.dataset.sources}/${this.source.value}?path=${encodeURIComponent(this.name.value)}`;
      const answer = await fetch(url, { headers: { Accept: "application/json" } });
      if (answer.ok) this.set((await answer.json()).text);
    }
    this.check();
    this.changed();
  }

  send(url, body, type) {
    const headers = { Accept: "application/json", "X-CSRFToken": token(), ...(type ? { "Content-Type": type } : {}) };
    return fetch(url, { method: "POST", body, headers });
  }
}

function start() {
  document.querySelectorAll("[data-script-editor]").forEach((box) => { box.editor ??= new ScriptEditor(box); });
  document.querySelectorAll("[data-file-into]").forEach((input) => {
    input.onchange = async (event) => {
      event.stopPropagation();
      if (input.files[0]) document.querySelector(input.dataset.fileInto).value = await input.files[0].text();
    };
  });
}
document.addEventListener("htmx:afterSettle", start);
start();
