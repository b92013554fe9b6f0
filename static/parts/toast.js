// Short messages at the corner. A good one goes by itself, a failure stays until it is dismissed.

import { button, fill, h, icon, setText } from '../dom.js';
import { VERBS } from './state.js';
import { on, store } from '../live.js';

export const region = h('div', { class: 'toasts', role: 'region', 'aria-label': 'Messages' });
const LIFE_MS = 5000;
const MAX = 5;

function removable(el) {
  let timer = 0;
  const arm = () => {
    clearTimeout(timer);
    timer = setTimeout(() => el.remove(), LIFE_MS);
  };
  el.addEventListener('pointerenter', () => clearTimeout(timer));
  el.addEventListener('pointerleave', () => el.dataset.tone !== 'bad' && el.dataset.tone !== 'busy' && arm());
  return arm;
}

function crowd() {
  const quiet = [...region.children].filter((t) => t.dataset.tone !== 'bad');
  for (const t of quiet.slice(0, Math.max(0, quiet.length - MAX))) t.remove();
}

/** tone: good | bad | busy | info. → {set(tone, text, detail, action), el} */
export function toast(tone, text, detail = '', action = null) {
  const title = h('p', { class: 'toast-title' });
  const more = h('p', { class: 'toast-detail' });
  const acts = h('div', { class: 'toast-acts' });
  const close = button('Dismiss', { icon: 'x', iconOnly: true, kind: 'ghost', onclick: () => el.remove() });
  const mark = h('span', { class: 'toast-mark', 'aria-hidden': 'true' });
  const el = h('div', { class: 'toast' }, mark, h('div', { class: 'toast-body' }, title, more, acts), close);
  const arm = removable(el);
  const set = (t, newText, newDetail = '', newAction = null) => {
    if (el.dataset.tone !== t) {
      el.dataset.tone = t;
      el.setAttribute('role', t === 'bad' ? 'alert' : 'status');
      if (t === 'busy') more.setAttribute('aria-live', 'off'); // percents of it: the bar of the operation tells
      else more.removeAttribute('aria-live');
      fill(mark, t === 'busy' ? h('span', { class: 'spinner' }) : icon(t === 'bad' ? 'alert' : 'check'));
      if (t === 'good' || t === 'info') arm();
    }
    setText(title, newText);
    setText(more, newDetail);
    fill(acts, newAction);
  };
  set(tone, text, detail, action);
  region.append(el);
  crowd();
  return { set, el };
}

export const fail = (text, error) => toast('bad', text, error.message);

// What is done to an instance by way of something else; the rest is a verb.
const KINDS = {
  'volume.attach': { doing: 'Attaching a volume to', done: 'has the volume' },
  'volume.detach': { doing: 'Detaching a volume from', done: 'no longer has the volume' },
  'network.attach': { doing: 'Attaching a network to', done: 'is on the network' },
  'network.detach': { doing: 'Detaching a network from', done: 'is off the network' },
};
const verbOf = (op) => KINDS[op.kind] ?? VERBS[op.kind.split('.').pop()] ?? { doing: op.kind, done: 'done' };
const subjectOf = (op) => {
  const image = store.images.get(typeof op.image === 'string' ? op.image : op.image?.id);
  return op.instanceName || image?.name || op.imageName || (typeof op.image === 'object' ? op.image?.name : '') || op.volumeName || op.instance || op.image || op.volume || '';
};

export function opTitle(op) {
  const verb = verbOf(op);
  const name = subjectOf(op);
  if (op.status === 'done') return `${name} ${verb.done}`;
  if (op.status === 'failed') return `${verb.doing} ${name} failed`;
  if (op.status === 'cancelled') return `${verb.doing} ${name} was cancelled`;
  return `${verb.doing} ${name}`;
}

const WAITING = { vcpus: 'CPU cores', memory: 'memory' };

/** Of an update that is done: which sizes of a running machine wait for its next start, as its log tells. */
const waits = (op) => (op.log ?? []).flatMap((line) => /takes effect at its next start: (.+)/.exec(line)?.[1].split(' ') ?? []);

export function opDetail(op) {
  if (op.status === 'failed') return op.error?.message ?? '';
  if (op.status === 'done') return waits(op).length ? `Waits for its next start: ${waits(op).map((what) => WAITING[what] ?? what).join(' and ')}` : '';
  if (op.status === 'cancelled') return '';
  const pct = typeof op.progress === 'number' ? ` ${Math.round(op.progress * 100)} %` : '';
  return (op.step || (op.status === 'queued' ? 'Waiting for its turn' : '')) + pct;
}

const OP_TONE = { done: 'good', failed: 'bad', cancelled: 'info' };

/** A toast that follows an operation to its end. `fallback` is shown until the operation is known, `done` when it has succeeded. */
export function followOperation(id, fallback, done = '') {
  const t = toast('busy', fallback);
  if (!id) return t.set('good', done || fallback);
  const showOp = () => {
    document.dispatchEvent(new CustomEvent('lodge:operation', { detail: id }));
    t.el.remove();
  };
  const update = (changed) => {
    const op = changed === id && store.operations.get(id);
    if (!op) return;
    const over = OP_TONE[op.status];
    const action = op.status === 'failed' ? button('Show operation', { kind: 'small', onclick: showOp }) : null;
    t.set(over ?? 'busy', (op.status === 'done' && done) || opTitle(op), opDetail(op), action);
    if (over) off();
  };
  const off = on('operation', update);
  update(id);
  return t;
}
