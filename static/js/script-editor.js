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

// `file` is what the editor holds, `entry` the entry script, whose text goes with the form. Edits
// of any other file are kept as a new source folder as soon as one leaves it, and before the form goes.
class ScriptEditor {
  constructor(box) {
    this.box = box;
    this.form = box.closest("form");
    this.text = box.querySelector("[data-script-text]");
    this.list = box.querySelector("[data-script-problems]");
    this.name = box.querySelector("[name=script_name]");
    this.told = box.querySelector("[data-script-upload]");
    this.source = box.querySelector("[data-script-source]");
    this.files = box.querySelector("[data-script-file]");
    this.posted = Object.assign(document.createElement("textarea"), { name: this.text.name, hidden: true, value: this.text.value });
    this.text.removeAttribute("name");
    this.text.after(this.posted);
    this.entry = this.file = this.name.value;
    this.working = 0;
    this.offer();
    this.text.addEventListener("input", () => this.typed());
    this.text.addEventListener("blur", () => this.run(() => this.changed()));
    this.name.addEventListener("change", () => this.run(() => this.rename()));
    this.files.addEventListener("change", (event) => { event.stopPropagation(); this.run(() => this.choose(this.files.value)); });
    box.querySelector("[data-script-template]").addEventListener("change", (event) => {
      const text = event.target.value;
      event.target.value = "";
      if (text) this.run(() => this.template(text));
    });
    box.querySelectorAll("[data-script-files]").forEach((input) =>
      input.addEventListener("change", (event) => { event.stopPropagation(); this.run(() => this.upload(input)); }));
    this.form.querySelectorAll("[name=code]").forEach((input) => input.addEventListener("change", () => this.show()));
    this.show();
  }

  run(task) {  // one after the other: each changes the folder that the next one starts from
    this.working += 1;
    this.last = (this.last ?? Promise.resolve()).then(task).catch((error) => this.say(error)).finally(() => { this.working -= 1; });
    return this.last;
  }

  get isEntry() { return this.file === this.entry; }
  get dirty() { return !this.isEntry && this.text.value !== this.stored; }
  get unsettled() { return this.working > 0 || this.dirty; }
  paths() { return [...this.box.querySelectorAll("datalist option")].map(({ value }) => value); }
  say(error) { this.told.textContent = error?.message || this.box.dataset.wordFailed; }

  async show() {
    if (!this.form.querySelector("#code-script").checked || this.editor) return;
    if (!this.posted.value) this.put(this.entry, this.box.querySelector("[data-script-template]").options[1].value);
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
    this.editor.session.on("change", () => { this.text.value = this.editor.getValue(); this.typed(); });
    this.editor.on("blur", () => this.run(() => this.changed()));
    this.text.hidden = true;
    this.named();
  }

  theme() {
    const dark = document.documentElement.dataset.bsTheme === "dark";
    this.editor.setTheme(dark ? "ace/theme/tomorrow_night" : "ace/theme/textmate");
  }

  typed() {
    if (this.isEntry) this.posted.value = this.text.value;
    this.later();
  }

  put(path, text) {  // a file into the editor
    this.file = path;
    this.text.value = text;
    this.stored = this.text.value;
    if (this.isEntry) this.posted.value = text;
    this.editor?.session.setValue(this.stored);
    this.offer();
    this.later();
  }

  offer() {  // which files there are for the editor
    const paths = [...new Set([this.entry, ...this.paths()])];
    this.files.replaceChildren(...paths.map((path) => Object.assign(document.createElement("option"), { value: path, textContent: path })));
    this.files.value = this.file;
    this.files.closest(".field").hidden = paths.length < 2;
    this.named();
  }

  named() {  // the text is called after its file, and coloured so
    const label = this.isEntry ? this.box.dataset.wordEntry : this.box.dataset.wordFile.replace("%s", this.file);
    this.text.labels[0].textContent = label;
    this.editor?.textInput.getElement().setAttribute("aria-label", label);
    this.editor?.session.setMode(`ace/mode/${this.file.endsWith(".py") ? "python" : "text"}`);
  }

  async changed() {  // pre-flight looks again
    await this.save();
    const now = JSON.stringify([this.source.value, this.entry, this.posted.value]);
    if (this.before === now || !this.box.isConnected) return;
    this.before = now;
    this.text.dispatchEvent(new Event("change", { bubbles: true }));
  }

  later() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.check(), DELAY);
  }

  async check() {
    if (!this.box.isConnected) return;
    if (!this.isEntry) { this.tell(); return; }  // what is asked of an entry script is not asked of it
    const asked = this.text.value;
    let problems;
    try {
      const answer = await this.send(this.box.dataset.check, JSON.stringify({ text: asked, name: this.name.value }), "application/json");
      if (!answer.ok) return;
      ({ problems } = await answer.json());
    } catch { return; }  // the next key may do better
    if (this.isEntry && asked === this.text.value) this.tell(problems, this.box.dataset.wordOk);
  }

  tell(problems = [], good = "") {
    const { wordLine } = this.box.dataset;
    const items = problems.map(({ line, sentence }) => this.item("error", line ? `${wordLine} ${line}: ${sentence}` : sentence));
    this.list.replaceChildren(...(items.length ? items : [this.item("quiet", good)]));
    this.editor?.session.setAnnotations(problems.filter(({ line }) => line).map(({ line, sentence }) =>
      ({ row: line - 1, column: 0, text: sentence, type: "error" })));
  }

  item(className, textContent) { return Object.assign(document.createElement("li"), { className, textContent }); }

  async template(text) {
    if (!(await this.save()) || ((await this.edited()) && !(await this.ask()))) return;
    this.put(this.entry, text);
    await this.changed();
  }

  async upload(input) {
    const files = [...input.files];
    if (!files.length) return;
    if (files.reduce((sum, { size }) => sum + size, 0) > Number(this.box.dataset.limit)) {
      this.told.textContent = this.box.dataset.wordLarge;
    } else if (!(this.dirty || (await this.edited())) || (await this.ask())) {
      try { await this.replace(files); } catch (error) { this.say(error); }
    }
    input.value = "";
  }

  async replace(files) {  // the source folder by an uploaded one
    const body = new FormData();
    // a folder is given with its own name in front, which is not part of the source folder
    const paths = files.map((file) => file.webkitRelativePath.replace(/^[^/]*\//, "") || file.name);
    files.forEach((file) => body.append("file", file));
    body.append("paths", JSON.stringify(paths));
    this.told.textContent = this.box.dataset.wordSending;
    const found = await this.keep(body);
    if (found.scripts.length && !found.scripts.includes(this.name.value)) [this.name.value] = found.scripts;
    this.entry = this.name.value;
    const isThere = found.files.some(({ path }) => path === this.entry);
    this.put(this.entry, isThere ? await this.read(this.entry) : this.posted.value);
    await this.changed();
  }

  async keep(body, type) {
    const answer = await this.send(this.box.dataset.sources, body, type);
    const found = await answer.json();
    if (!answer.ok) throw new Error(found.message);
    this.source.value = found.sha256;
    this.told.textContent = found.files.map(({ path }) => path).slice(0, 20).join(", ");
    this.box.querySelector("datalist").replaceChildren(...found.files.map(({ path }) =>
      Object.assign(document.createElement("option"), { value: path })));
    return found;
  }

  write(path, text) {  // the folder with this text in it, as a folder of its own
    return this.keep(JSON.stringify({ base: this.source.value, files: { [path]: text } }), "application/json");
  }

  async read(path) {
    const url = `${this.box.dataset.sources}/${this.source.value}?path=${encodeURIComponent(path)}`;
    const answer = await fetch(url, { headers: { Accept: "application/json" } });
    const found = await answer.json();
    if (!answer.ok) throw new Error(found.message);
    return found.text;
  }

  async save() {  // false: the file in the editor could not be kept, and stays there
    if (!this.dirty) return true;
    const text = this.text.value;
    try { await this.write(this.file, text); } catch (error) { this.say(error); return false; }
    this.stored = text;
    return true;
  }

  async choose(path) {
    try {
      if (await this.save()) this.put(path, path === this.entry ? this.posted.value : await this.read(path));
    } catch (error) { this.say(error); }  // no text, for example
    this.files.value = this.file;
    await this.changed();
  }

  async rename() {  // another file becomes the entry script, or its text gets another name
    const [before, after] = [this.entry, this.name.value.trim()];
    try {
      if (!(await this.save())) throw new Error(this.told.textContent);
      if (after !== before && this.paths().includes(after)) {
        if (await this.edited()) await this.write(before, this.posted.value);
        const text = await this.read(after);
        this.entry = after;
        this.put(after, text);
      } else {
        if (this.isEntry) this.file = after;
        this.entry = after;
      }
    } catch (error) {
      this.say(error);
      this.name.value = before;
    }
    this.offer();
    this.check();
    await this.changed();
  }

  async edited() {  // whether the text of the entry script is nowhere else
    const text = this.posted.value;
    const same = (other) => other.replaceAll("\r\n", "\n") === text;
    if (!text.trim() || [...this.box.querySelector("[data-script-template]").options].some(({ value }) => same(value))) return false;
    try { return !(this.source.value && same(await this.read(this.entry))); } catch { return true; }
  }

  ask() {
    const { wordAsk: question } = this.box.dataset;
    return new Promise((answer) =>
      document.dispatchEvent(new CustomEvent("ask", { detail: { source: this.box, question, answer } })));
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

// a request with the form in it waits until all edits are in the folder that it names
document.addEventListener("htmx:confirm", async (event) => {
  const { elt, verb, issueRequest } = event.detail;
  const form = elt.closest("form");
  const editor = form?.querySelector("[data-script-editor]")?.editor;
  if (verb !== "post" || !editor?.unsettled) return;
  event.preventDefault();
  await editor.run(() => editor.save());
  if (elt !== form || !editor.dirty) issueRequest(true);
});
document.addEventListener("htmx:afterSettle", start);
start();
