// Marks the file of the tree of artifacts whose preview was asked for.
document.addEventListener("htmx:beforeRequest", (event) => {
  const leaf = event.detail.elt.closest?.(".tree .leaf");
  if (!leaf) return;
  document.querySelectorAll(".tree .leaf[aria-current]").forEach((other) => other.removeAttribute("aria-current"));
  leaf.setAttribute("aria-current", "true");
});
