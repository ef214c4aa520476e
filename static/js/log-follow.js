// Follows <c-log>: asks its URL for text from an offset, appends it, until the server says complete.
const LEVELS = [["error", /\b(ERROR|CRITICAL|FATAL|Traceback)\b/], ["warning", /\bWARN(ING)?\b/]];
const LIMIT = 20_000;  // lines kept in the page

function levelOf(line, before) {
  const found = LEVELS.find(([, pattern]) => pattern.test(line));
  return found ? found[0] : /^\s/.test(line) ? before : "info";  // an indented line belongs to the one above
}

class Follower {
  constructor(box) {
    this.box = box;
    this.pre = box.querySelector("pre");
    this.offset = Number(box.dataset.offset || 0);
    this.level = "info";
    this.rest = "";
    this.failures = 0;
    box.querySelector("[data-log-follow]")?.addEventListener("change", () => this.scroll());
    box.querySelector("[data-log-level]")?.addEventListener("change", (event) => { box.dataset.level = event.target.value; this.scroll(); });
    this.poll();
  }

  get follows() { return this.box.querySelector("[data-log-follow]")?.checked ?? true; }

  async poll() {
    if (!this.box.isConnected) return;
    let done = false;
    if (!document.hidden) {
      try { done = await this.load(); this.failures = 0; } catch { this.failures += 1; }
    }
    const note = this.box.querySelector("[data-log-lost]");
    if (note) note.hidden = this.failures < 2;
    if (!done) setTimeout(() => this.poll(), Math.min(1000 * 2 ** this.failures, 15_000));
  }

  async load() {
    const url = new URL(this.box.dataset.log, location.href);
    url.searchParams.set("offset", this.offset);
    const answer = await fetch(url, { headers: { Accept: "application/json" } });
    if (!answer.ok) throw new Error(answer.statusText);
    const chunk = await answer.json();
    if (chunk.next_offset < this.offset) this.pre.replaceChildren();  // the file was begun anew
    this.offset = chunk.next_offset;
    this.append(chunk.text, chunk.complete);
    return chunk.complete;
  }

  append(text, complete) {
    const lines = (this.rest + text).split("\n");
    this.rest = complete ? "" : lines.pop();
    const fragment = document.createDocumentFragment();
    lines.forEach((line, index) => {
      if (complete && !line && index === lines.length - 1) return;
      this.level = levelOf(line, this.level);
      const row = Object.assign(document.createElement("span"), { className: `line-${this.level}`, textContent: `${line}\n` });
      fragment.append(row);
    });
    this.pre.append(fragment);
    while (this.pre.childElementCount > LIMIT) this.pre.firstElementChild.remove();
    if (text) this.scroll();
  }

  scroll() { if (this.follows) this.pre.scrollTop = this.pre.scrollHeight; }
}

const start = () => document.querySelectorAll("[data-log]").forEach((box) => { box.follower ??= new Follower(box); });
// the second: a panel that came out of band, such as an operation that has ended
["htmx:afterSettle", "htmx:oobAfterSwap"].forEach((name) => document.addEventListener(name, start));
start();
