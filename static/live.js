// What the page knows, kept true by the event stream. Views read the maps and listen to topics:
//   instances (many changed) · instance (id) · operation (id) · images · ingress · service (event) · event (the raw event) · conn · gone

import { ApiError, all, get, hooks, socketUrl } from './api.js';
import { TRANSIENT } from './parts/state.js';

export const store = {
  session: null,
  instances: new Map(),
  total: 0,
  loaded: false,
  error: null,
  /** Are there more instances than were loaded? */
  partial: () => store.total > store.instances.size,
  operations: new Map(),
  images: new Map(),
  imagesLoaded: false,
  last: 0,
  conn: { state: 'idle', retryAt: 0 },
};

const listeners = new Map();

export function on(topic, fn) {
  if (!listeners.has(topic)) listeners.set(topic, new Set());
  listeners.get(topic).add(fn);
  return () => listeners.get(topic).delete(fn);
}

export function emit(topic, detail) {
  for (const fn of [...(listeners.get(topic) ?? [])]) fn(detail);
}

// ── loading ────────────────────────────────────────────────────────────────────────────────────────

// While a list is on its way, events go on: what they touched or deleted is newer than the list.
const loads = new Set();

function merge(items, meanwhile) {
  const fresh = new Map();
  for (const item of items) {
    const known = store.instances.get(item.id);
    if (meanwhile.dropped.has(item.id)) continue;
    fresh.set(item.id, known && outdated(known, item.version, item.updatedAt) ? known : item);
  }
  for (const id of meanwhile.touched) {
    const known = store.instances.get(id);
    if (known && !fresh.has(id)) fresh.set(id, known);
  }
  return fresh;
}

export async function loadInstances() {
  const meanwhile = { touched: new Set(), dropped: new Set() };
  loads.add(meanwhile);
  try {
    const { items, total } = await all('/compute/instances', 'instances');
    store.instances = merge(items, meanwhile);
    store.total = Math.max(total, store.instances.size);
    Object.assign(store, { loaded: true, error: null });
  } catch (e) {
    store.error = e;
    throw e;
  } finally {
    loads.delete(meanwhile);
    emit('instances');
  }
}

/** More instances than were loaded: let the server look, and keep what it finds. */
export async function findInstances(q, state) {
  const query = new URLSearchParams({ pageSize: '500', ...(q ? { q } : {}), ...(state ? { state } : {}) });
  const page = await get(`/compute/instances?${query}`);
  for (const inst of page.instances) putInstance(inst);
}

export async function loadImages() {
  const { items } = await all('/images', 'images');
  store.images = new Map(items.map((i) => [i.id, i]));
  store.imagesLoaded = true;
  emit('images');
}

async function loadOperations() {
  const page = await get('/operations?pageSize=50');
  for (const op of page.operations ?? []) putOperation(op);
}

/** Is what we know of an instance newer than this? By its version; the clock decides where there is none. */
const outdated = (known, version, at) => (known.version !== undefined && version !== undefined ? known.version > version : known.updatedAt > at);

const gone = new Set(); // ids that were deleted: an answer on its way since before does not bring them back

export function putInstance(inst) {
  if (gone.has(inst.id)) return;
  const old = store.instances.get(inst.id);
  if (old && outdated(old, inst.version, inst.updatedAt)) return;
  if (!old && store.loaded && !store.partial()) store.total++;
  store.instances.set(inst.id, inst);
  for (const load of loads) load.touched.add(inst.id);
  emit('instance', inst.id);
}

const finished = (op) => op.status !== 'queued' && op.status !== 'running';

/** An operation never goes back from its end. */
export function putOperation(op) {
  if (!op?.id) return;
  const old = store.operations.get(op.id);
  if (old && finished(old) && !finished(op)) return;
  store.operations.set(op.id, op);
  emit('operation', op.id);
}

/** Resolves with the operation when it has ended. */
export function operationEnd(id) {
  return new Promise((resolve) => {
    const look = (changed) => {
      const op = store.operations.get(id);
      if (changed !== id || !op || !finished(op)) return;
      off();
      resolve(op);
    };
    const off = on('operation', look);
    look(id);
    if (!store.operations.has(id)) get(`/operations/${id}`).then(putOperation, () => {});
  });
}

// ── fetching again what an event touched; many at once become one list request ─────────────────────

const AGAIN_MS = 2000;
const stale = { instances: new Set(), timer: 0, images: 0 };

export function refetch(id) {
  stale.instances.add(id);
  stale.timer ||= setTimeout(flush, 120);
}

async function flush() {
  const ids = [...stale.instances];
  stale.instances.clear();
  stale.timer = 0;
  try {
    if (ids.length > 8) await loadInstances();
    else await Promise.all(ids.map(fetchOne));
  } catch (e) {
    if (!(e instanceof ApiError)) throw e;
    if (e.status || !store.session) return;
    for (const id of ids) stale.instances.add(id); // the network blinked for longer; no event tells of it again
    stale.timer ||= setTimeout(flush, AGAIN_MS);
  }
}

async function fetchOne(id) {
  try {
    putInstance(await get(`/compute/instances/${id}`));
  } catch (e) {
    if (e.status === 404) drop(id);
    else throw e;
  }
}

function drop(id) {
  gone.add(id);
  for (const load of loads) load.dropped.add(id);
  if (!store.instances.delete(id)) return;
  store.total = Math.max(0, store.total - 1);
  emit('instance', id);
}

function refetchImages() {
  clearTimeout(stale.images);
  stale.images = setTimeout(() => store.imagesLoaded && loadImages().catch(() => {}), 150);
}

// ── events ─────────────────────────────────────────────────────────────────────────────────────────

function instanceEvent(ev) {
  const id = ev.subject.id;
  if (ev.kind === 'instance.deleted') return drop(id);
  const inst = store.instances.get(id);
  if (!inst) return refetch(id);
  const d = ev.data ?? {};
  if (outdated(inst, d.version, ev.at)) return undefined; // the list was read after this happened
  if (ev.kind === 'instance.state' && d.state) {
    for (const load of loads) load.touched.add(id);
    Object.assign(inst, { state: d.state, reason: d.reason ?? null, updatedAt: ev.at });
    for (const [to, from] of [['version', 'version'], ['status', 'health'], ['startedAt', 'startedAt']]) if (d[from] !== undefined) inst[to] = d[from];
    if (d.address) inst.network = { ...inst.network, address: d.address };
    emit('instance', id);
    if (TRANSIENT.has(d.state)) return undefined;
  }
  return refetch(id);
}

function apply(ev) {
  if (ev.id <= store.last) return;
  store.last = ev.id;
  const family = ev.kind.split('.')[0];
  if (family === 'instance') instanceEvent(ev);
  else if (family === 'operation' && ev.data?.operation) putOperation(ev.data.operation);
  else if (family === 'image') refetchImages();
  else if (family === 'ingress') emit('ingress', ev);
  else if (family === 'service') emit('service', ev);
  emit('event', ev);
}

// ── the connection ─────────────────────────────────────────────────────────────────────────────────

let socket = null;
let attempt = 0;
let timer = 0;

function setConn(state, retryAt = 0) {
  store.conn = { state, retryAt };
  emit('conn', store.conn);
}

function retryLater() {
  const wait = Math.min(15000, 500 * 1.6 ** attempt++) * (0.8 + Math.random() * 0.4);
  setConn('offline', Date.now() + wait);
  clearTimeout(timer);
  timer = setTimeout(open, wait);
}

/** The browser hides why a handshake failed: ask the session. */
async function probe() {
  try {
    await get('/session');
    attempt = Math.min(attempt, 3); // it answers: it was the network, or only the stream
    retryLater();
  } catch (e) {
    if (e.status !== 401) retryLater();
  }
}

function closed(ws, opened, code) {
  if (ws !== socket) return;
  socket = null;
  if (code === 4401) hooks.unauthorized();
  else if (code === 4410) resync();
  else if (opened) retryLater();
  else probe();
}

function open() {
  clearTimeout(timer);
  if (socket) return;
  const ws = new WebSocket(socketUrl(`/events?since=${store.last}`));
  let opened = false;
  socket = ws;
  ws.onopen = () => (opened = true);
  ws.onclose = (e) => closed(ws, opened, e.code);
  ws.onmessage = (e) => {
    const msg = JSON.parse(e.data);
    if (msg.type === 'ready') {
      attempt = 0;
      store.last = Math.max(store.last, msg.last ?? 0);
      if (!store.loaded && store.error) loadInstances().catch(() => {});
      setConn('online');
    } else if (msg.type === 'gone') {
      socket = null;
      ws.close();
      resync();
    } else if (msg.kind) apply(msg);
  };
}

/** The events we missed are gone: start again from what is. */
async function resync() {
  try {
    const session = await get('/session');
    await Promise.all([loadInstances(), loadOperations(), store.imagesLoaded && loadImages()]);
    store.last = session.lastEvent ?? 0; // only now: what could not be read is still missed, and the stream says so once more
    emit('gone');
    open();
  } catch (e) {
    if (e.status !== 401) retryLater();
  }
}

export const retryNow = () => {
  if (!socket && store.session) {
    attempt = 0;
    open();
  }
};

/** Begin with a session: read what is, then follow from the event the session named. */
export async function start(session) {
  stop();
  gone.clear();
  store.session = session;
  store.last = session.lastEvent ?? 0;
  open();
  await Promise.all([loadInstances(), loadOperations()].map((p) => p.catch((e) => e))); // the views show what failed
}

export function stop() {
  clearTimeout(timer);
  const ws = socket;
  socket = null;
  ws?.close();
  attempt = 0;
  Object.assign(store, { session: null, loaded: false, error: null, imagesLoaded: false, total: 0, last: 0 });
  store.instances.clear();
  store.operations.clear();
  store.images.clear();
  setConn('idle');
}

addEventListener('online', retryNow);
document.addEventListener('visibilitychange', () => document.visibilityState === 'visible' && retryNow());
