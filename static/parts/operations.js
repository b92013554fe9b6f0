// The panel at the bottom: what is running, what ran lately, and every failure until it is dismissed.

import { button, fill, h, icon, reconcile, setText } from '../dom.js';
import { del } from '../api.js';
import { ago, clock, duration } from '../format.js';
import { on, putOperation, store } from '../live.js';
import { fail, opDetail, opTitle } from './toast.js';

const KEEP = 30;
const DISMISSED = 'lodge.dismissed';
const dismissed = new Set(JSON.parse(localStorage.getItem(DISMISSED) ?? '[]'));

function dismiss(id) {
  dismissed.add(id);
  localStorage.setItem(DISMISSED, JSON.stringify([...dismissed].slice(-300)));
}

const running = (op) => op.status === 'running' || op.status === 'queued';
const needsEyes = (op) => op.status === 'failed' && !dismissed.has(op.id);
const rank = (op) => (running(op) ? 0 : needsEyes(op) ? 1 : 2);

function listed() {
  const ops = [...store.operations.values()].filter((op) => op.status !== 'failed' || needsEyes(op));
  ops.sort((a, b) => rank(a) - rank(b) || (a.createdAt < b.createdAt ? 1 : -1));
  return ops.slice(0, Math.max(KEEP, ops.filter((op) => rank(op) < 2).length));
}

async function cancel(op) {
  try {
    const { data } = await del(`/operations/${op.id}`);
    if (data?.id) putOperation(data);
  } catch (e) {
    fail(`${opTitle(op)}: it could not be cancelled`, e);
  }
}

const MARK = { done: ['check', 'good'], failed: ['alert', 'bad'], cancelled: ['x', 'off'] };

function updateRow(row, op) {
  const p = row.parts;
  const [mark, tone] = MARK[op.status] ?? ['', 'busy'];
  if (row.dataset.status !== op.status) fill(p.mark, mark ? icon(mark, op.status) : h('span', { class: 'spinner', role: 'img', 'aria-label': op.status }));
  row.dataset.status = op.status;
  row.dataset.tone = tone;
  setText(p.title, opTitle(op));
  if (op.instance && store.instances.has(op.instance)) p.title.href = `#/instances/${op.instance}`;
  else p.title.removeAttribute('href');
  setText(p.detail, opDetail(op));
  const took = op.endedAt ? duration(Date.parse(op.endedAt) - Date.parse(op.startedAt ?? op.createdAt)) : '';
  setText(p.when, running(op) ? clock(op.createdAt) : `${ago(op.endedAt ?? op.createdAt)}${took ? `, took ${took}` : ''}`);
  p.bar.hidden = !running(op);
  if (typeof op.progress === 'number') p.bar.value = op.progress;
  else p.bar.removeAttribute('value');
  p.bar.setAttribute('aria-label', `Progress of: ${opTitle(op)}`);
  p.cancel.hidden = !(running(op) && op.cancellable);
  p.dismiss.hidden = op.status !== 'failed';
  p.log.hidden = !op.log?.length;
  setText(p.lines, (op.log ?? []).join('\n'));
  row.op = op;
}

function makeRow(op, refresh) {
  const p = {
    mark: h('span', { class: 'op-mark' }),
    title: h('a', { class: 'op-title' }),
    detail: h('span', { class: 'op-detail' }),
    when: h('span', { class: 'op-when' }),
    bar: h('progress', { max: '1' }),
    cancel: button('Cancel', { kind: 'small', onclick: () => cancel(row.op) }),
    dismiss: button('Dismiss', { kind: 'small', onclick: () => (dismiss(row.op.id), refresh()) }),
    lines: h('pre', { tabindex: '0', 'aria-label': 'Log of the operation' }),
  };
  p.log = h('details', { class: 'op-log' }, h('summary', null, 'Log'), p.lines);
  const row = h('li', { class: 'op', id: `op-${op.id}` }, p.mark,
    h('div', { class: 'op-body' }, h('div', { class: 'op-line' }, p.title, p.detail, p.log), p.bar), p.when,
    h('div', { class: 'op-acts' }, p.cancel, p.dismiss));
  row.parts = p;
  updateRow(row, op);
  return row;
}

function summary(ops) {
  const live = ops.filter(running).length;
  const bad = ops.filter(needsEyes).length;
  const words = [live && `${live} running`, bad && `${bad} failed`].filter(Boolean);
  return { text: words.join(', ') || (ops.length ? 'none running' : 'none yet'), live, bad };
}

export function operationsPanel() {
  const list = h('ul', { class: 'op-list', id: 'op-list' });
  const empty = h('p', { class: 'quiet pad' }, 'Nothing has happened yet. What you start, stop or create is followed here.');
  const body = h('div', { class: 'ops-body', hidden: true }, list, empty);
  const state = h('span', { class: 'ops-state' });
  const caret = h('span', { class: 'ops-caret' }, icon('up'));
  const toggle = h('button', { type: 'button', class: 'ops-toggle', 'aria-expanded': 'false', onclick: () => open(body.hidden) }, icon('list'), h('span', { class: 'ops-word' }, 'Operations'), state, caret);
  const el = h('section', { class: 'ops', 'aria-label': 'Operations' }, toggle, body);
  // the page must be able to scroll clear of the panel
  const size = new ResizeObserver(() => document.documentElement.style.setProperty('--ops-now', `${el.offsetHeight}px`));
  size.observe(el);
  const nodes = new Map();
  let queued = 0;

  function refresh() {
    queued = 0;
    const ops = listed();
    const s = summary(ops);
    setText(state, s.text);
    el.dataset.tone = s.bad ? 'bad' : s.live ? 'busy' : '';
    if (body.hidden) return;
    empty.hidden = ops.length > 0;
    reconcile(list, nodes, ops, (op) => op.id, (op) => makeRow(op, refresh), updateRow);
  }
  function open(yes) {
    body.hidden = !yes;
    toggle.setAttribute('aria-expanded', String(yes));
    refresh();
  }
  const later = () => (queued ||= requestAnimationFrame(refresh));
  const showOne = (e) => {
    open(true);
    const row = document.getElementById(`op-${e.detail}`);
    row?.scrollIntoView({ block: 'nearest' });
    const log = row?.querySelector('details');
    if (log && !log.hidden) log.open = true;
    row?.querySelector('a, summary, button')?.focus();
  };
  const offs = [on('operation', later), on('gone', later), on('instances', later)];
  document.addEventListener('lodge:operation', showOne);
  refresh();
  return {
    el,
    dispose: () => {
      size.disconnect();
      offs.forEach((off) => off());
      document.removeEventListener('lodge:operation', showOne);
    },
  };
}
