'use strict';
// Everything of the log is put into the page as text: no function here takes HTML.
const data = JSON.parse(document.getElementById('data').textContent);
const byId = id => document.getElementById(id);
const NAMESPACE = 'http://www.w3.org/2000/svg';

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}
const html = (tag, attributes = {}, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes = {}, ...children) => fill(document.createElementNS(NAMESPACE, tag), attributes, children);

// --- numbers ---

const round = (value, digits) => Number(value.toFixed(digits)).toString();
function format(value, unit) {
  if (value === null || value === undefined) return '–';
  if (unit === 'bit/s') {
    if (value >= 1e6) return round(value / 1e6, 2) + ' M';
    if (value >= 1e3) return round(value / 1e3, value < 1e5 ? 1 : 0) + ' k';
    return round(value, 0);
  }
  return round(value, value >= 100 ? 0 : value >= 10 ? 1 : 2);
}
function clock(seconds, step = 0.001) {
  const digits = step >= 1 ? 0 : step >= 0.1 ? 1 : step >= 0.01 ? 2 : 3;
  if (seconds < 60) return seconds.toFixed(digits) + ' s';
  const hours = Math.floor(seconds / 3600), minutes = Math.floor(seconds / 60) % 60;
  const rest = (seconds % 60).toFixed(digits).padStart(digits ? digits + 3 : 2, '0');
  return (hours ? hours + ':' + String(minutes).padStart(2, '0') : minutes) + ':' + rest;
}
const bytes = n => n >= 1e6 ? round(n / 1e6, 1) + ' MB' : n >= 1e3 ? round(n / 1e3, 0) + ' kB' : n + ' B';
// Steps of 1, 2 or 5 times a power of ten, about so many of them.
function steps(span, count) {
  const raw = span / count, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].find(factor => factor * power >= raw) * power;
  return Number.isFinite(step) && step > 0 ? step : 1;
}
function timeStep(span, count) {
  const raw = span / count;
  return raw <= 1 ? steps(span, count) : [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400]
    .find(step => step >= raw) ?? steps(span, count);
}

// --- time, shared by all plots ---

const end = Math.max(data.seconds, 0.1);
let range = [0, end];
let cursor = null;
const drawings = [];
let pending = false;
function redraw() {
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => { pending = false; for (const draw of drawings) draw(); });
}
function setRange(from, to) {
  range = to - from < Math.min(0.2, end) ? [0, end] : [Math.max(0, from), Math.min(end, to)];
  byId('reset').hidden = range[0] === 0 && range[1] === end;
  redraw();
}
byId('reset').addEventListener('click', () => setRange(0, end));

const LEFT = 66, RIGHT = 8, BOTTOM = 18;
// Draws the axis of time; tells where a time is.
function timeAxis(root, width, top, height) {
  const x = time => LEFT + (time - range[0]) / (range[1] - range[0]) * (width - LEFT - RIGHT);
  const step = timeStep(range[1] - range[0], Math.max(2, width / 110));
  for (let time = Math.ceil(range[0] / step) * step; time <= range[1] + step * 1e-6; time += step) {
    root.append(svg('line', { class: 'grid', x1: x(time), x2: x(time), y1: top, y2: height - BOTTOM }));
    const anchor = x(time) > width - 30 ? 'end' : x(time) < LEFT + 10 ? 'start' : 'middle';
    root.append(svg('text', { x: x(time), y: height - 4, 'text-anchor': anchor }, clock(time, step)));
  }
  return x;
}
// Pointing sets the cursor, dragging the range.
function follow(root, height) {
  let start = null, box = null;
  const time = event => {
    const area = root.getBoundingClientRect();
    const part = (event.clientX - area.left - LEFT) / (area.width - LEFT - RIGHT);
    return range[0] + Math.min(1, Math.max(0, part)) * (range[1] - range[0]);
  };
  root.addEventListener('pointerdown', event => { start = time(event); root.setPointerCapture(event.pointerId); });
  root.addEventListener('pointermove', event => {
    cursor = time(event);
    redraw();
    if (start === null) return;
    const width = root.getBoundingClientRect().width;
    const x = at => LEFT + (at - range[0]) / (range[1] - range[0]) * (width - LEFT - RIGHT);
    requestAnimationFrame(() => {
      box?.remove();
      if (start === null) return;
      const [from, to] = [start, cursor].sort((a, b) => a - b).map(x);
      box = svg('rect', { class: 'chosen', x: from, width: to - from, y: 0, height: height - BOTTOM });
      root.append(box);
    });
  });
  root.addEventListener('pointerup', event => {
    const [from, to] = [start ?? 0, time(event)].sort((a, b) => a - b);
    if (start !== null && to - from > (range[1] - range[0]) / 100) setRange(from, to);
    start = null;
    box?.remove();
  });
  root.addEventListener('pointercancel', () => { start = null; box?.remove(); });
  root.addEventListener('pointerleave', () => { cursor = null; redraw(); });
  root.addEventListener('dblclick', () => setRange(0, end));
}
function drawCursor(root, x, height) {
  if (cursor === null) return;
  root.append(svg('line', { class: 'cross', x1: x(cursor), x2: x(cursor), y1: 0, y2: height - BOTTOM }));
}

// --- head ---

byId('name').textContent = data.name || 'Event log';
document.title = (data.name || 'Event log') + ' – Peerage';
byId('facts').textContent = [
  data.started_ms ? new Date(data.started_ms).toLocaleString() : null,
  clock(data.seconds, 0.1),
  data.events.toLocaleString() + ' events',
  data.path ? data.path[0] + ' to ' + data.path[1] : null,
  data.handshake,
].filter(Boolean).join(' · ');
const notice = text => byId('notices').append(html('p', { class: 'notice' }, text));
if (!data.events) notice('There are no events in this log: the connection was not used, or its program has just begun.');
if (data.truncated) notice('The last line of the log is cut off: the program was ended before it could finish.');
if (data.damaged) notice(data.damaged + ' lines of the log are damaged and were passed over.');
if (data.unknown) notice(data.unknown + ' events come from a newer version and were passed over.');
if (data.rows_left_out) notice(data.rows_left_out.toLocaleString() + ' events are not listed below: there is room for the first ones only.');

// --- states ---

const MOODS = {
  good: ['connected', 'completed', 'complete', 'stable'], bad: ['failed', 'disconnected'],
  idle: ['new', 'closed'],
};
const mood = state => Object.keys(MOODS).find(key => MOODS[key].includes(state)) ?? 'wait';
const LANES = { signaling: 'signaling', gathering: 'gathering', ice: 'ICE', dtls: 'DTLS', sctp: 'SCTP', connection: 'connection' };
(function states() {
  const lanes = Object.keys(LANES).map(of => [of, data.states.filter(state => state[1] === of)]).filter(lane => lane[1].length);
  if (!lanes.length) return byId('states').remove();
  const HEIGHT = 20, height = lanes.length * HEIGHT + 6 + BOTTOM;
  const root = svg('svg', { height, role: 'img', 'aria-label': 'States over time' });
  byId('states').append(html('h2', {}, 'States'), root);
  follow(root, height);
  drawings.push(() => {
    root.replaceChildren();
    const width = root.getBoundingClientRect().width;
    const x = timeAxis(root, width, 0, height);
    const clamp = at => Math.min(width - RIGHT, Math.max(LEFT, x(at)));
    lanes.forEach(([of, changes], lane) => {
      const y = 4 + lane * HEIGHT;
      root.append(svg('text', { x: LEFT - 6, y: y + 12, 'text-anchor': 'end' }, LANES[of]));
      changes.forEach(([at, , state], index) => {
        const to = changes[index + 1]?.[0] ?? end, from = clamp(at), until = clamp(to);
        if (until <= from && to !== at) return;
        const bar = svg('rect', { class: 'lane lane-' + mood(state), x: from, y, width: Math.max(1.5, until - from - 1), height: HEIGHT - 4 });
        bar.append(svg('title', {}, state + ' at ' + clock(at)));
        root.append(bar);
        if (until - from > state.length * 6 + 8) root.append(svg('text', { class: 'state', x: from + 5, y: y + 12, 'pointer-events': 'none' }, state));
      });
    });
    drawCursor(root, x, height);
  });
})();

// --- streams ---

(function streams() {
  if (!data.streams.length) return byId('streams').remove();
  const head = ['Stream', 'SSRC', 'Packets', 'Bytes', 'Bitrate', 'Frames', 'Keyframes', 'Keyframes asked for', 'Size', 'Lost', 'Round trip', 'Jitter'];
  const table = html('table', {}, html('thead', {}, html('tr', {}, ...head.map((text, i) => html('th', i ? { class: 'number' } : {}, text)))));
  const body = html('tbody');
  for (const stream of data.streams) {
    const lasted = (stream.ended ?? data.seconds) - stream.began;
    const ms = value => value === null ? '–' : round(value, value < 10 ? 1 : 0) + ' ms';
    const cells = [
      (stream.direction === 'sent' ? '↑ sent ' : '↓ received ') + stream.label, String(stream.ssrc), stream.packets.toLocaleString(), bytes(stream.bytes),
      lasted > 0 && stream.bytes ? format(stream.bytes * 8 / lasted, 'bit/s') + 'bit/s' : '–',
      stream.frames ? stream.frames.toLocaleString() : '–', stream.keyframes || '–', stream.keyframe_requests || '–',
      stream.dimensions ? stream.dimensions.join('×') : '–', stream.lost ?? '–', ms(stream.round_trip_ms), ms(stream.jitter_ms),
    ];
    body.append(html('tr', {}, ...cells.map((text, i) => html('td', i ? { class: 'number' } : {}, String(text)))));
  }
  table.append(body);
  byId('streams').append(html('h2', {}, 'Streams'), html('div', { class: 'scroll' }, table));
})();

// --- plots ---

for (const plot of data.plots) {
  const HEIGHT = 190, TOP = 8;
  const root = svg('svg', { height: HEIGHT, role: 'img', 'aria-label': plot.title + ' over time' });
  const legend = html('ul', { class: 'legend' });
  byId('plots').append(html('article', { class: 'plot' },
    html('header', {}, html('h2', {}, plot.title), html('span', {}, plot.unit)), root, legend));
  const lines = plot.lines.map((line, index) => {
    const color = `var(--s${index % 8})`, value = html('b', {}, ''), mark = html('i');
    mark.style.background = line.dashed ? `repeating-linear-gradient(90deg, ${color} 0 4px, transparent 4px 6px)` : color;
    const button = html('button', { type: 'button', 'aria-pressed': 'true', title: line.label }, mark, html('span', {}, line.label), value);
    const shown = { ...line, color, value, on: true };
    if (!line.mean) {
      // Sums up to each bin, so that the mean of any stretch is one subtraction.
      shown.sums = new Float64Array(Math.ceil(end / data.bin_seconds) + 2);
      for (let i = 0; i + 1 < shown.sums.length; i++) shown.sums[i + 1] = shown.sums[i] + (line.values[i] ?? 0);
    }
    button.addEventListener('click', () => {
      shown.on = !shown.on;
      button.setAttribute('aria-pressed', shown.on);
      redraw();
    });
    legend.append(html('li', {}, button));
    return shown;
  });
  follow(root, HEIGHT);
  drawings.push(() => {
    root.replaceChildren();
    const width = root.getBoundingClientRect().width, bin = data.bin_seconds;
    const x = timeAxis(root, width, TOP, HEIGHT);
    // One bin more at each side, so that lines reach the edges.
    const first = Math.max(0, Math.floor(range[0] / bin) - 1), last = Math.ceil(range[1] / bin) + 1;
    // A rate is that of half a second, or of as much as two steps of the pen; enlarged far enough it is that of a bin.
    const span = range[1] - range[0], wide = span > 5 ? Math.max(0.5, span / 300) : span / 300;
    const half = Math.max(0, Math.round((wide / bin - 1) / 2));
    const valueAt = (line, i) => {
      if (line.mean) return line.values[i] ?? null;
      const from = Math.max(0, i - half), to = Math.min(line.sums.length - 1, i + half + 1);
      return to > from ? (line.sums[to] - line.sums[from]) / (to - from) : 0;
    };
    let most = 0;
    for (const line of lines) if (line.on) for (let i = first; i <= last && i < line.values.length; i++) most = Math.max(most, valueAt(line, i) ?? 0);
    const step = steps((most || 1) * 1.05, 4), top = Math.ceil((most || 1) * 1.02 / step) * step;
    const y = value => HEIGHT - BOTTOM - value / top * (HEIGHT - BOTTOM - TOP);
    for (let value = 0; value <= top * 1.001; value += step) {
      root.append(svg('line', { class: value ? 'grid' : 'zero', x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value) }));
      root.append(svg('text', { x: LEFT - 6, y: y(value) + 4, 'text-anchor': 'end' }, format(value, plot.unit)));
    }
    const clip = 'clip-' + plot.chart;
    root.append(svg('clipPath', { id: clip }, svg('rect', { x: LEFT, y: 0, width: Math.max(0, width - LEFT - RIGHT), height: HEIGHT })));
    for (const line of lines) {
      let path = '', pen = 'M';
      // A rate that has no more values is nothing; a mean is as it was.
      const until = line.mean ? line.values.length : Math.min(last + 1, Math.ceil(end / bin));
      for (let i = line.mean ? 0 : first; i < until; i++) {
        const value = valueAt(line, i);
        if (value === null) continue;
        path += `${pen}${x((i + 0.5) * bin).toFixed(1)} ${y(value).toFixed(1)}`;
        pen = 'L';
      }
      if (line.on && path) {
        const drawn = svg('path', { class: 'values' + (line.dashed ? ' dashed' : ''), d: path, 'clip-path': `url(#${clip})` });
        drawn.style.stroke = line.color;
        // A single value is a dot.
        if (!path.includes('L')) drawn.setAttribute('d', path + 'h.1'), drawn.setAttribute('stroke-linecap', 'round'), drawn.style.strokeWidth = 4;
        root.append(drawn);
      }
      let at = cursor === null ? null : Math.floor(cursor / bin);
      if (at !== null && line.mean) while (at > 0 && (line.values[at] ?? null) === null) at--;
      line.value.textContent = at === null ? '' : format(valueAt(line, at), plot.unit);
    }
    drawCursor(root, x, HEIGHT);
  });
}
new ResizeObserver(redraw).observe(byId('plots'));
addEventListener('resize', redraw);
redraw();

// --- events ---

(function events() {
  const PAGE = 300, body = byId('events').tBodies[0], chosen = new Map();
  let limit = PAGE;
  const counts = new Map();
  for (const row of data.rows) counts.set(row.kind, (counts.get(row.kind) ?? 0) + 1);
  for (const [kind, count] of [...counts].sort()) {
    chosen.set(kind, true);
    const button = html('button', { type: 'button', 'aria-pressed': 'true' }, `${kind} ${count}`);
    button.addEventListener('click', () => {
      // The first choice is of one kind; further ones add or take away.
      if ([...chosen.values()].every(Boolean)) for (const other of chosen.keys()) chosen.set(other, other === kind);
      else chosen.set(kind, !chosen.get(kind));
      if (![...chosen.values()].some(Boolean)) for (const other of chosen.keys()) chosen.set(other, true);
      show();
    });
    button.dataset.kind = kind;
    byId('kinds').append(button);
  }
  function show() {
    for (const button of byId('kinds').children) button.setAttribute('aria-pressed', chosen.get(button.dataset.kind));
    const wanted = byId('search').value.toLowerCase();
    const rows = data.rows.filter(row => chosen.get(row.kind)
      && (!wanted || row.text.toLowerCase().includes(wanted) || row.detail?.toLowerCase().includes(wanted)));
    body.replaceChildren(...rows.slice(0, limit).map(row => {
      const what = row.detail === undefined ? row.text
        : html('details', {}, html('summary', {}, row.text), html('pre', {}, row.detail));
      const line = html('tr', {}, html('td', {}, clock(row.at)), html('td', {}, row.kind), html('td', {}, what));
      line.addEventListener('pointerenter', () => { cursor = row.at; redraw(); });
      line.addEventListener('pointerleave', () => { cursor = null; redraw(); });
      return line;
    }));
    if (!rows.length) body.append(html('tr', {}, html('td', { colspan: 3 }, 'No events')));
    byId('more').hidden = rows.length <= limit;
    byId('more').textContent = `Show more of ${rows.length.toLocaleString()}`;
  }
  byId('search').addEventListener('input', () => { limit = PAGE; show(); });
  byId('more').addEventListener('click', () => { limit += 4 * PAGE; show(); });
  show();
})();
