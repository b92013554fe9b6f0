// Elements without a framework. Data only ever becomes text nodes or attributes; no markup is parsed from strings.

const SVG = 'http://www.w3.org/2000/svg';

function setProp(el, key, value) {
  if (value === undefined || value === null || value === false) return;
  if (key.startsWith('on')) el.addEventListener(key.slice(2), value);
  else if (key === 'class') el.className = value;
  else if (key === 'dataset') Object.assign(el.dataset, value);
  else if (key === 'value' || key === 'checked' || key === 'indeterminate') el[key] = value;
  else el.setAttribute(key, value === true ? '' : value);
}

function append(el, kids) {
  for (const kid of kids) {
    if (kid === null || kid === undefined || kid === false) continue;
    if (Array.isArray(kid)) append(el, kid);
    else el.append(kid);
  }
}

/** h('a', {href, class, onclick}, 'text', node, [nodes], null) → element */
export function h(tag, props, ...kids) {
  const el = document.createElement(tag);
  if (props) for (const key in props) setProp(el, key, props[key]);
  append(el, kids);
  return el;
}

export function svg(tag, attrs, ...kids) {
  const el = document.createElementNS(SVG, tag);
  for (const key in attrs) el.setAttribute(key, attrs[key]);
  el.append(...kids);
  return el;
}

// 16×16, stroked with the current colour.
const PATHS = {
  play: 'M4.5 3v10l8-5z',
  stop: 'M4 4h8v8H4z',
  restart: 'M13 8a5 5 0 1 1-1.6-3.7M13 2v3h-3',
  pause: 'M5.5 3.5v9M10.5 3.5v9',
  trash: 'M2.5 4h11M6 4V2.5h4V4M4 4l.6 9.5h6.8L12 4M6.7 6.5v4.5M9.3 6.5v4.5',
  plus: 'M8 3v10M3 8h10',
  x: 'M4 4l8 8M12 4l-8 8',
  check: 'M3 8.5l3.5 3.5L13 4.5',
  copy: 'M5.5 5.5h8v8h-8zM3 10.5h-.5v-8h8V3',
  link: 'M9 2.5h4.5V7M13.5 2.5L7.5 8.5M6.5 3.5h-4v10h10v-4',
  attach: 'M11.5 5.5l-5 5a1.4 1.4 0 0 0 2 2l5-5a2.8 2.8 0 0 0-4-4l-5 5a4.2 4.2 0 0 0 6 6l4.2-4.2',
  expand: 'M6 2.5H2.5V6M10 2.5h3.5V6M6 13.5H2.5V10M10 13.5h3.5V10',
  globe: 'M8 14A6 6 0 1 0 8 2a6 6 0 0 0 0 12zM2 8h12M8 2c1.9 1.7 2.6 3.8 2.6 6S9.9 12.3 8 14M8 2C6.1 3.7 5.4 5.8 5.4 8s.7 4.3 2.6 6',
  disk: 'M13 4c0 1.1-2.2 2-5 2s-5-.9-5-2 2.2-2 5-2 5 .9 5 2zM3 4v8c0 1.1 2.2 2 5 2s5-.9 5-2V4M3 8c0 1.1 2.2 2 5 2s5-.9 5-2',
  network: 'M6 2h4v3.5H6zM2 10.5h4V14H2zM10 10.5h4V14h-4zM8 5.5V8M4 10.5V8h8v2.5',
  list: 'M2.5 4h.1M2.5 8h.1M2.5 12h.1M6 4h7.5M6 8h7.5M6 12h7.5',
  smaller: 'M5 12l3-7 3 7M6 9.7h4',
  larger: 'M2.5 13.5L8 2l5.5 11.5M4.4 9.5h7.2',
  search: 'M7 11.5a4.5 4.5 0 1 0 0-9 4.5 4.5 0 0 0 0 9zM10.3 10.3L14 14',
  alert: 'M8 2L1.5 13.5h13zM8 6.5v3.5M8 11.8v.2',
  up: 'M3.5 10L8 5.5l4.5 4.5',
  right: 'M6 3.5L10.5 8 6 12.5',
  down: 'M3.5 6L8 10.5 12.5 6',
  download: 'M8 2.5V10M4.5 7L8 10.5 11.5 7M2.5 13.5h11',
  upload: 'M8 10.5V3M4.5 6L8 2.5 11.5 6M2.5 13.5h11',
  container: 'M2 5l6-3 6 3v6l-6 3-6-3zM2 5l6 3 6-3M8 8v6',
  vm: 'M2 3h12v8H2zM5.5 13.5h5M8 11v2.5',
  sun: 'M8 11a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM8 1v1.5M8 13.5V15M1 8h1.5M13.5 8H15M3 3l1 1M12 12l1 1M3 13l1-1M12 4l1-1',
  moon: 'M13.5 9.5A6 6 0 0 1 6.5 2.5a6 6 0 1 0 7 7z',
  exit: 'M6 2.5H2.5v11H6M10 4.5L13.5 8 10 11.5M13.5 8H6',
  key: 'M5.5 13a3 3 0 1 0 0-6 3 3 0 0 0 0 6zM7.7 7.8L13 2.5M10.5 5l2 2',
  star: 'M8 2l1.8 3.9 4.2.5-3.1 2.9.8 4.2L8 11.4l-3.7 2.1.8-4.2L2 6.4l4.2-.5z',
  edit: 'M3 13l.6-2.8L11 2.8l2.2 2.2-7.4 7.4zM9.5 4.3l2.2 2.2',
  chart: 'M2 13.5h12M3 10.5l3-4 3 2.5 4-6',
  box: 'M2.5 2.5h11v11h-11zM2.5 10l3-3 3.5 3.5 2-2 2.5 2.5M10.5 6v.1',
};

export function icon(name, label) {
  const el = svg('svg', { viewBox: '0 0 16 16', class: 'icon', ...(label ? { role: 'img', 'aria-label': label } : { 'aria-hidden': 'true' }) });
  el.append(svg('path', { d: PATHS[name] ?? PATHS.box }));
  return el;
}

/** A button with an icon; a word unless `iconOnly`, then the label is for assistive technology and the tooltip. */
export function button(label, { icon: ic, kind = '', iconOnly = false, ...props } = {}) {
  const cls = ['btn', kind, iconOnly ? 'icon-only' : ''].filter(Boolean).join(' ');
  const extra = iconOnly ? { 'aria-label': label, title: label } : {};
  return h('button', { type: 'button', class: cls, ...extra, ...props }, ic && icon(ic), iconOnly ? null : h('span', null, label));
}

/** Say that a control cannot be used now, and why, without taking it from the keyboard. */
export function setBlocked(btn, reason) {
  if ((btn.dataset.blocked ?? '') === (reason ?? '')) return;
  if (reason) {
    btn.setAttribute('aria-disabled', 'true');
    btn.setAttribute('aria-description', reason);
    btn.title = reason;
    btn.dataset.blocked = reason;
  } else {
    btn.removeAttribute('aria-disabled');
    btn.removeAttribute('aria-description');
    btn.title = btn.getAttribute('aria-label') ?? '';
    delete btn.dataset.blocked;
  }
}

export function setText(el, text) {
  if (el.textContent !== text) el.textContent = text;
}

export function fill(el, ...kids) {
  el.replaceChildren();
  append(el, kids);
  return el;
}

/** Make `parent`'s children those of `items`, in order, moving and keeping nodes by key. Returns the nodes' map. */
export function reconcile(parent, nodes, items, keyOf, create, update) {
  const seen = new Set();
  let at = parent.firstChild;
  for (const item of items) {
    const key = keyOf(item);
    seen.add(key);
    let node = nodes.get(key);
    if (!node) nodes.set(key, (node = create(item)));
    else update?.(node, item);
    if (node === at) at = at.nextSibling;
    else parent.insertBefore(node, at);
  }
  for (const [key, node] of nodes)
    if (!seen.has(key)) {
      node.remove();
      nodes.delete(key);
    }
}

let counter = 0;
export const uid = (prefix = 'u') => `${prefix}${++counter}`;
