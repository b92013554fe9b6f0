// CPU and memory of everything that runs, in one request; the past of what is on the screen, so that its line begins full.

import { get } from '../api.js';
import { emit, store } from '../live.js';
import { svg } from '../dom.js';

const EVERY_MS = 10000;
const KEEP = 30;
const samples = new Map(); // id → [{cpu, used, limit}]
const visible = new Map(); // element → id
let timer = 0;
let users = 0;

const watcher = new IntersectionObserver((entries) => {
  let fresh = false;
  for (const e of entries) {
    if (e.isIntersecting && e.target.dataset.id) {
      visible.set(e.target, e.target.dataset.id);
      fresh ||= !pasts.has(e.target.dataset.id);
    } else visible.delete(e.target);
  }
  if (fresh) soon(300);
});

function soon(ms) {
  clearTimeout(timer);
  if (users) timer = setTimeout(sweep, ms);
}

/** The line has a past at once: the last minutes, in the steps the server keeps. */
async function past(id) {
  const since = new Date(Date.now() - KEEP * EVERY_MS).toISOString();
  const u = await get(`/compute/instances/${id}/usage?since=${since}&step=${EVERY_MS / 1000}`);
  if (!u.at?.length) return;
  const limit = store.instances.get(id)?.resources?.memory?.limit ?? null;
  const known = samples.get(id) ?? [];
  const before = u.at.map((at, i) => ({ at, cpu: u.cpu.avg[i], used: u.memory.avg[i], limit })).filter(({ at }) => !known.length || at < known[0].at);
  samples.set(id, [...before, ...known].slice(-KEEP));
}

const pasts = new Set(); // whose past was asked for

function add(u) {
  const list = samples.get(u.instance) ?? [];
  if (list.at(-1)?.at === u.at) return;
  list.push({ at: u.at, cpu: u.cpu.usage, used: u.memory.used, limit: store.instances.get(u.instance)?.resources?.memory?.limit ?? null });
  samples.set(u.instance, list.slice(-KEEP));
  emit('usage', u.instance);
}

/** The pasts of what is on the screen, a few at a time. */
async function fillPasts() {
  const queue = [...new Set(visible.values())].filter((id) => !pasts.has(id) && store.instances.get(id)?.state === 'running');
  const worker = async () => {
    for (let id = queue.shift(); id; id = queue.shift()) {
      pasts.add(id);
      await past(id).catch(() => pasts.delete(id));
      emit('usage', id);
    }
  };
  await Promise.all([worker(), worker(), worker()]);
}

async function sweep() {
  if (document.visibilityState === 'visible' && store.conn.state === 'online') {
    try {
      const { usage } = await get('/compute/usage');
      usage.forEach(add);
      emit('usages');
      await fillPasts();
    } catch {
      /* the next sweep tries again */
    }
  }
  soon(EVERY_MS);
}

/** Observe elements with data-id; → {add(el), stop()} */
export function observeUsage() {
  users++;
  const mine = new Set();
  soon(500);
  return {
    add: (el) => (mine.add(el), watcher.observe(el)),
    stop: () => {
      users--;
      for (const el of mine) {
        watcher.unobserve(el);
        visible.delete(el);
      }
    },
  };
}

export function latest(inst) {
  if (inst.state !== 'running') return null;
  const s = samples.get(inst.id)?.at(-1);
  if (s) return s;
  const r = inst.resources;
  return r?.memory?.used ? { cpu: r.cpu?.usage ?? null, used: r.memory.used, limit: r.memory.limit } : null;
}

/** A line of the last samples of 'cpu' or 'used', drawn into `el` (an <svg> of 60×16). */
export function sparkline() {
  const line = svg('polyline', { points: '' });
  const el = svg('svg', { class: 'spark', viewBox: '0 0 60 16', preserveAspectRatio: 'none', 'aria-hidden': 'true' }, line);
  el.line = line;
  return el;
}

export function drawSparkline(el, id, key) {
  const list = (samples.get(id) ?? []).map((s) => s[key] ?? 0);
  const max = Math.max(...list, key === 'cpu' ? 5 : 1) * 1.1;
  const step = 60 / (KEEP - 1);
  const points = list.map((v, i) => `${(60 - (list.length - 1 - i) * step).toFixed(1)},${(15 - (v / max) * 14).toFixed(1)}`);
  el.line.setAttribute('points', list.length > 1 ? points.join(' ') : '');
}
