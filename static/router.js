// Hash routes: the server only ever serves files, and a link to any view can be kept and sent.

import { h, fill, icon } from './dom.js';
import { on } from './live.js';
import { VIEWS } from './views.js';

const ROUTES = VIEWS.map(([pattern, load]) => ({ parts: pattern.split('/').slice(1), load }));

export const state = { path: '/', query: new URLSearchParams(), main: null };
let current = null; // {module, handle, disposers}
let turn = 0;

export function parse(hash = location.hash) {
  const [path, query = ''] = hash.replace(/^#/, '').split('?');
  return { path: path.startsWith('/') ? path : '/instances', query: new URLSearchParams(query) };
}

function matchRoute(path) {
  const parts = path.replace(/\/+$/, '').split('/').slice(1);
  for (const route of ROUTES) {
    if (route.parts.length !== parts.length) continue;
    const params = {};
    const ok = route.parts.every((p, i) => {
      if (!p.startsWith(':')) return p === parts[i];
      params[p.slice(1)] = decodeURIComponent(parts[i]);
      return true;
    });
    if (ok) return { route, params };
  }
  return null;
}

export const go = (path) => (location.hash = '#' + path);

/** Change the query in the address without a step in the history (a filter being typed). */
export function setQuery(changes) {
  const { path, query } = parse();
  for (const [key, value] of Object.entries(changes)) {
    if (value === '' || value === null || value === undefined) query.delete(key);
    else query.set(key, value);
  }
  const text = query.toString();
  history.replaceState(null, '', `#${path}${text ? '?' + text : ''}`);
  state.query = query;
}

export function leave() {
  for (const fn of current?.disposers ?? []) fn();
  current = null;
}

function context(params, query) {
  const disposers = [];
  return {
    params,
    query,
    disposers,
    listen: on,
    on: (topic, fn) => disposers.push(on(topic, fn)),
    dispose: (fn) => disposers.push(fn),
  };
}

function show(handle, moveFocus) {
  fill(state.main, handle.node);
  document.title = `${handle.title} · Lodge`;
  if (!moveFocus) return;
  const heading = handle.focus ?? state.main.querySelector('h1');
  heading?.setAttribute('tabindex', heading.getAttribute('tabindex') ?? '-1');
  heading?.focus({ preventScroll: true });
  scrollTo(0, 0);
}

const notFound = () => ({
  title: 'Not found',
  node: h('div', { class: 'page empty' }, icon('search'), h('h1', null, 'There is no such page'), h('p', null, 'The address may be mistyped, or what it led to is gone.'), h('a', { class: 'btn primary', href: '#/instances' }, 'Go to the instances')),
});

const notLoaded = () => ({
  title: 'Not loaded',
  node: h('div', { class: 'page empty' }, icon('alert'), h('h1', null, 'This view could not be loaded'), h('p', { role: 'alert' }, 'The server did not answer. It may be restarting.'),
    h('button', { class: 'btn primary', type: 'button', onclick: () => location.reload() }, 'Load again')),
});

/** A context for a part of a view: what it listens to ends with `end()`. */
export function subContext(ctx) {
  const disposers = [];
  return { ...ctx, disposers, dispose: (fn) => disposers.push(fn), on: (t, fn) => disposers.push(ctx.listen(t, fn)), end: () => disposers.splice(0).forEach((fn) => fn()) };
}

/** A second try helps when the network blinked, a fresh page when the browser remembers the failure. */
async function loadView(load) {
  for (const pause of [0, 400]) {
    try {
      await new Promise((resolve) => setTimeout(resolve, pause));
      return await load();
    } catch (e) {
      console.warn(e.message);
    }
  }
  return window.lodgeLoadAgain() ? { default: () => ({ title: 'Loading', node: h('p', { class: 'page quiet' }, 'Loading…') }) } : { default: notLoaded };
}

/** A tab or section, by its loader in views.js → its function. */
export async function loadPart(load) {
  const part = await loadView(load);
  return part.default ?? part;
}

/** Show what the address says. `moveFocus`: the person navigated (not the first view). */
export async function render(moveFocus = true) {
  const { path, query } = parse();
  const mine = ++turn;
  const hit = matchRoute(path);
  Object.assign(state, { path, query });
  if (hit && current?.load === hit.route.load && current.handle.update?.(hit.params, query)) return;
  const module = hit ? await loadView(hit.route.load) : null;
  if (mine !== turn) return;
  leave();
  const ctx = context(hit?.params ?? {}, query);
  current = { load: hit?.route.load, disposers: ctx.disposers, handle: {} };
  const handle = module ? module.default(ctx) : notFound();
  current.handle = handle;
  show(handle, moveFocus);
}
