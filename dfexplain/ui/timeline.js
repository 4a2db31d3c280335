// Clicks, keys and the playhead of the timeline. Gradio calls this once, with `element`, `props`,
// `trigger` and `watch`. A pick goes to the server as { lane, row }, a step between flagged frames as
// { step }; the server moves the ring by setting `props.cursor` to [lane, row, count].

const find = (selector) => element.querySelector(selector);
const plots = () => [...element.querySelectorAll('.tl-plot[data-rows]')];
const rowsOf = (plot) => JSON.parse(plot.dataset.rows);
const end = () => Number(find('.tl').dataset.end);
const along = (time) => Math.min(1, Math.max(0, time / end()));
let at = null, moved = 0;

function playhead(time) {
  const line = find('.tl-head-line');
  if (line) line.style.left = `calc(var(--head) + (100% - var(--head)) * ${along(time)})`;
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

element.addEventListener('click', (event) => {
  const plot = event.target.closest('.tl-plot[data-rows]');
  if (!plot) return;
  find('.tl').focus({ preventScroll: true });
  const box = plot.getBoundingClientRect();
  const lane = plots().indexOf(plot);
  pick(lane, nearest(lane, ((event.clientX - box.left) / box.width) * end()));
});

element.addEventListener('keydown', (event) => {
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
    n: () => trigger('select', { step: 1 }),
    p: () => trigger('select', { step: -1 }),
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
