// A drag over the picture to cover. Gradio calls this once, with `element` and `trigger`; the stroke
// goes to the server as { points: [[x, y], ...] } in shares of the picture, when the pointer is lifted.

const STEP = 0.02, MOST = 100;
const picture = (event) => event.target.closest?.('#cover')?.querySelector('img');
let points = null;

function place(event) {
  const image = picture(event);
  if (!image?.naturalWidth) return null;
  // The picture is fitted into its box.
  const box = image.getBoundingClientRect();
  const scale = Math.min(box.width / image.naturalWidth, box.height / image.naturalHeight);
  const wide = image.naturalWidth * scale, high = image.naturalHeight * scale;
  const x = (event.clientX - box.left - (box.width - wide) / 2) / wide;
  const y = (event.clientY - box.top - (box.height - high) / 2) / high;
  return x >= 0 && x <= 1 && y >= 0 && y <= 1 ? [x, y] : null;
}

document.addEventListener('pointerdown', (event) => {
  const start = event.button === 0 ? place(event) : null;
  points = start && [start];
});
document.addEventListener('pointermove', (event) => {
  const next = points && place(event);
  if (!next || points.length >= MOST) return;
  const [x, y] = points[points.length - 1];
  if (Math.hypot(next[0] - x, next[1] - y) >= STEP) points.push(next);
});
document.addEventListener('pointerup', () => {
  // One point is a click, which the picture itself reports.
  if (points?.length > 1) trigger('stroke', { points });
  points = null;
});
document.addEventListener('pointercancel', () => { points = null; });
// Gradio's button around the picture has no name of its own.
document.addEventListener('focusin', (event) => {
  event.target.closest?.('#cover button')?.setAttribute(
    'aria-label', element.querySelector('[data-label]').dataset.label);
});
// The browser would drag the picture itself.
document.addEventListener('dragstart', (event) => { if (picture(event)) event.preventDefault(); });
