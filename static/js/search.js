// The search over everything: "/" or Ctrl-K opens it, arrows walk through what was found, Esc closes.
const dialog = document.getElementById("search-dialog");
const box = dialog?.querySelector("input");
const hits = () => [...dialog.querySelectorAll(".search-hit")];

function open() {
  if (!dialog.open) dialog.showModal();
  box.focus();
  box.select();
}

const typing = (element) => element.closest?.("input, textarea, select, [contenteditable=''], [contenteditable=true]");

function walk(event) {
  const list = hits();
  const at = list.indexOf(document.activeElement);
  if (event.key === "Escape") dialog.close();  // the box itself would only be emptied
  else if (event.key === "ArrowDown" && list.length > 0) list[Math.min(at + 1, list.length - 1)].focus();
  else if (event.key === "ArrowUp" && at > 0) list[at - 1].focus();
  else if (event.key === "ArrowUp" && at === 0) box.focus();
  else if (event.key === "Enter" && document.activeElement === box && list.length > 0 && !event.isComposing) list[0].click();
  else {
    if (at >= 0 && event.key.length === 1 && !event.ctrlKey && !event.metaKey && !event.altKey) box.focus();
    return;
  }
  event.preventDefault();
}

if (dialog) {
  document.addEventListener("keydown", (event) => {
    const slash = event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !typing(event.target);
    const command = event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey) && !event.shiftKey && !event.altKey;
    if ((slash || command) && (dialog.open || !document.querySelector("dialog[open]"))) { event.preventDefault(); open(); }
    else if (dialog.open) walk(event);
  });
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("[data-search-open]");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    open();
  });
  dialog.addEventListener("mousedown", (event) => { if (event.target === dialog) dialog.close(); });
}
