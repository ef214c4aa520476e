// Images over steps: the slider of a card chooses which of its images is shown; the others follow to the nearest step.
const box = (element) => element.closest("[data-images]");
const list = (card) => { card.images ??= JSON.parse(card.dataset.images); return card.images; };

function show(card, index) {
  const image = list(card)[index];
  const picture = card.querySelector("[data-image]");
  picture.src = `${card.dataset.raw}?path=${encodeURIComponent(image.path)}`;
  card.querySelector("[data-image-step]").textContent =
    `${picture.dataset.stepWords} ${image.step.toLocaleString(document.documentElement.lang)}`;
}

function nearest(images, step) {
  let best = 0;
  images.forEach((image, index) => {
    if (Math.abs(image.step - step) < Math.abs(images[best].step - step)) best = index;
  });
  return best;
}

document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-image-slider]")) return;
  const card = box(event.target);
  const chosen = Number(event.target.value);
  const { step } = list(card)[chosen];
  show(card, chosen);
  document.querySelectorAll("[data-images]").forEach((other) => {
    const slider = other.querySelector("[data-image-slider]");
    if (other === card || !slider) return;
    slider.value = String(nearest(list(other), step));
    show(other, Number(slider.value));
  });
});
