// Clicks, keys and the playhead of the timeline. Gradio calls this once, with `element`, `props`,
// `trigger` and `watch`. A pick goes to the server as { lane, row }, a step between flagged frames as
// { step }; the server moves the ring by setting `props.cursor` to [lane, row, count]. A drag zooms,
// in the browser alone: `view` is the part of the time that is shown, in shares of all of it.

const find = (selector) => element.querySelector(selector);
const plots = () => [...element.querySelectorAll('.tl-plot[data-rows]')];
const rowsOf = (plot) => JSON.parse(plot.dataset.rows);
const end = () => Number(find('.tl').dataset.end);
const along = (time) => Math.min(1, Math.max(0, time / end()));
const WHOLE = [0, 1], NARROWEST = 1 / 200, DRAG_PX = 6;
let at = null, moved = 0, view = WHOLE, played = 0, drag = null;

// m:ss.s, as everywhere on the page.
const clock = (time) =>
  `${Math.floor(time / 60)}:${(time % 60).toFixed(1).padStart(4, '0')}`;
// Where a share of the time stands in the view: 0 at its left, 1 at its right.
const within = (share) => (share - view[0]) / (view[1] - view[0]);

function playhead(time) {
  played = time;
  const line = find('.tl-head-line'), place = within(along(time));
  if (!line) return;
  line.style.left = `calc(var(--head) + (100% - var(--head)) * ${place})`;
  line.hidden = place < 0 || place > 1;
}

function look(from, to) {
  const wide = Math.min(1, Math.max(to - from, NARROWEST));
  const start = Math.min(Math.max(0, (from + to - wide) / 2), 1 - wide);
  view = [start, start + wide];
  const tl = find('.tl'), zoomed = wide < 1;
  tl.classList.toggle('zoomed', zoomed);
  tl.style.setProperty('--zoom', 1 / wide);
  tl.style.setProperty('--from', start);
  find('.tl-whole').hidden = !zoomed;
  element.querySelectorAll('.tl-axis span').forEach((mark, i, marks) => {
    mark.textContent = clock(end() * (start + (wide * i) / (marks.length - 1)));
  });
  playhead(played);
}

// A frame that is picked is in view.
function follow(time) {
  const share = along(time), wide = view[1] - view[0];
  if (share < view[0] || share > view[1]) look(share - wide / 2, share + wide / 2);
}

function zoom(times) {
  const middle = along(played), wide = (view[1] - view[0]) / times;
  look(middle - wide / 2, middle + wide / 2);
}

function show(lane, row) {
  const plot = plots()[lane], tl = find('.tl');
  const picked = plot && rowsOf(plot)[row];
  at = { lane, row };
  if (!picked) return;
  const [time, height, text] = picked;
  element.querySelectorAll('.tl-ring').forEach((ring) => ring.remove());
  const ring = document.createElement('div');
  ring.className = 'tl-ring';
  ring.style.left = `${along(time) * 100}%`;
  ring.style.top = `${height}%`;
  plot.append(ring);
  follow(time);
  tl.setAttribute('aria-valuenow', time);
  tl.setAttribute('aria-valuetext', text);
  playhead(time);
}

function pick(lane, row) {
  show(lane, row);
  trigger('select', { lane, row });
}

function nearest(lane, time) {
  const gaps = rowsOf(plots()[lane]).map(([t]) => Math.abs(t - time));
  return gaps.indexOf(Math.min(...gaps));
}

const dragged = (event) => Math.abs(event.clientX - drag.x) >= DRAG_PX;

function select(event) {
  const box = drag.box, tl = find('.tl').getBoundingClientRect();
  const [left, right] = [drag.x, event.clientX]
    .map((x) => Math.min(box.right, Math.max(box.left, x)))
    .sort((a, b) => a - b);
  drag.shares = [left, right].map(
    (x) => view[0] + ((x - box.left) / box.width) * (view[1] - view[0]));
  drag.mark.style.left = `${left - tl.left}px`;
  drag.mark.style.width = `${right - left}px`;
}

element.addEventListener('pointerdown', (event) => {
  const shown = event.button === 0 && event.target.closest('.tl-window');
  if (shown) drag = { x: event.clientX, box: shown.getBoundingClientRect(), mark: null };
});
element.addEventListener('pointermove', (event) => {
  if (!drag || (!drag.mark && !dragged(event))) return;
  if (!drag.mark) {
    drag.mark = document.createElement('div');
    drag.mark.className = 'tl-drag';
    find('.tl').append(drag.mark);
    find('.tl').setPointerCapture(event.pointerId);
  }
  select(event);
});
for (const name of ['pointerup', 'pointercancel'])
  element.addEventListener(name, (event) => {
    if (drag?.mark) {
      drag.mark.remove();
      if (name === 'pointerup') look(...drag.shares);
    }
    // The click that ends a drag picks nothing.
    drag = drag?.mark ? { over: true } : null;
    setTimeout(() => { drag = null; });
  });
element.addEventListener('dblclick', () => find('.tl') && look(...WHOLE));

element.addEventListener('click', (event) => {
  if (event.target.closest('.tl-whole')) {
    look(...WHOLE);
    find('.tl').focus({ preventScroll: true });
    return;
  }
  const plot = event.target.closest('.tl-plot[data-rows]');
  if (!plot || drag?.over) return;
  find('.tl').focus({ preventScroll: true });
  const box = plot.getBoundingClientRect();
  const lane = plots().indexOf(plot);
  pick(lane, nearest(lane, ((event.clientX - box.left) / box.width) * end()));
});

function play() {
  const video = document.querySelector('#player video');
  if (!video) return;
  if (video.paused) video.play().catch(() => {}); // a file that the browser cannot play
  else video.pause();
}

element.addEventListener('keydown', (event) => {
  if (!event.target.closest('.tl')) return;
  const lanes = plots();
  if (!lanes.length || event.ctrlKey || event.metaKey || event.altKey) return;
  const { lane, row } = lanes[at?.lane] ? at : { lane: 0, row: 0 };
  const rows = rowsOf(lanes[lane]);
  const last = rows.length - 1;
  const moves = {
    ArrowLeft: () => pick(lane, Math.max(0, row - 1)),
    ArrowRight: () => pick(lane, Math.min(last, row + 1)),
    Home: () => pick(lane, 0),
    End: () => pick(lane, last),
    ArrowUp: () => lane > 0 && pick(lane - 1, nearest(lane - 1, rows[row][0])),
    ArrowDown: () =>
      lane < lanes.length - 1 && pick(lane + 1, nearest(lane + 1, rows[row][0])),
    f: () => trigger('select', { step: 1 }),
    F: () => trigger('select', { step: -1 }),
    n: () => trigger('select', { step: 1 }),
    p: () => trigger('select', { step: -1 }),
    ' ': play,
    '+': () => zoom(2),
    '-': () => zoom(1 / 2),
    Escape: () => look(...WHOLE),
  };
  const move = moves[event.key];
  if (!move) return;
  event.preventDefault();
  move();
});

// A new drawing has no ring, and a new count in the cursor is a move asked for by the server.
watch(['value', 'cursor'], () => {
  const [lane, row, count] = props.cursor;
  if (count !== moved) at = { lane, row };
  moved = count;
  if (!find('.tl')) at = null;
  // Another drawing is another video, or one that has grown: all of it is shown.
  else if (!find('.tl').style.getPropertyValue('--zoom')) look(...WHOLE);
  if (at) show(at.lane, at.row);
});
const inPlayer = (event) => event.target.closest?.('#player') && event.target;
for (const name of ['timeupdate', 'seeked'])
  document.addEventListener(name, (event) => {
    if (inPlayer(event) && find('.tl')) playhead(event.target.currentTime);
  }, true);
const unplayable = (event) => {
  const video = inPlayer(event);
  if (video?.src && !video.src.includes('/copies/')) trigger('unplayable', {});
};
document.addEventListener('error', unplayable, true);
document.addEventListener('loadedmetadata', (event) => {
  if (event.target.videoWidth === 0) unplayable(event);
}, true);
