// Changing a tag in place: its pencil puts key and value into the fields below.
document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-tag-edit]");
  if (!button) return;
  const form = button.closest(".section").querySelector(".inline-form");
  form.elements.key.value = button.dataset.key;
  form.elements.value.value = button.dataset.value;
  form.elements.value.focus();
});
