// What is around every view: header with navigation and tenant, the connection's banner, messages, operations.

import { button, fill, h, icon } from '../dom.js';
import { del, get, put } from '../api.js';
import { on, retryNow, store } from '../live.js';
import { state as route } from '../router.js';
import { VIEWS } from '../views.js';
import { operationsPanel } from './operations.js';
import { fail, region as toasts, toast } from './toast.js';
import { announce, region as announcer } from './announce.js';
import { tone } from './state.js';

let links = [];
let undo = [];
let switcher = null;

// ── theme ──────────────────────────────────────────────────────────────────────────────────────────

const dark = () => (document.documentElement.dataset.theme ?? (matchMedia('(prefers-color-scheme: dark)').matches ? 'dark' : 'light')) === 'dark';

/** 'light', 'dark' or '' (as the system wishes) */
export function setTheme(theme) {
  if (theme) {
    localStorage.setItem('lodge.theme', theme);
    document.documentElement.dataset.theme = theme;
  } else {
    localStorage.removeItem('lodge.theme');
    delete document.documentElement.dataset.theme;
  }
  document.dispatchEvent(new CustomEvent('lodge:theme'));
}

function themeButton() {
  const btn = button('Theme', { iconOnly: true, kind: 'ghost', onclick: () => setTheme(dark() ? 'light' : 'dark') });
  const show = () => {
    const label = dark() ? 'Use the light theme' : 'Use the dark theme';
    fill(btn, icon(dark() ? 'sun' : 'moon'));
    btn.setAttribute('aria-label', label);
    btn.title = label;
  };
  document.addEventListener('lodge:theme', show);
  undo.push(() => document.removeEventListener('lodge:theme', show));
  show();
  return btn;
}

// ── tenant and user ────────────────────────────────────────────────────────────────────────────────

export async function switchTenant(slug) {
  try {
    await put('/session/tenant', { tenant: slug });
    location.hash = '#/instances';
    location.reload();
  } catch (e) {
    fail('The tenant was not changed', e);
  }
}

const slugOf = (tenant) => (typeof tenant === 'string' ? tenant : tenant?.slug);

function tenantSwitch(session) {
  const now = slugOf(session.tenant);
  const own = (session.tenants ?? []).find((t) => t.slug === now || t.id === now);
  if ((session.tenants ?? []).length < 2) return h('span', { class: 'tenant', title: 'Tenant' }, own?.name || now || '');
  return h('select', { class: 'tenant', 'aria-label': 'Tenant', onchange: (e) => switchTenant(e.target.value) },
    session.tenants.map((t) => h('option', { value: t.slug, selected: t.slug === now || t.id === now }, t.name || t.slug)));
}

/** After a change of tenants or members: the switch offers what there is now. */
export async function tenantsChanged() {
  try {
    store.session = await get('/session', { quiet: true });
  } catch {
    return; // the next view tells
  }
  const fresh = tenantSwitch(store.session);
  switcher.replaceWith(fresh);
  switcher = fresh;
}

export async function signOut() {
  try {
    await del('/session', { quiet: true });
  } catch {
    /* ended already */
  }
  location.hash = '#/signin';
  location.reload();
}

// ── connection ─────────────────────────────────────────────────────────────────────────────────────

function banner() {
  const text = h('span', { role: 'status' });
  const el = h('div', { class: 'banner', hidden: true }, icon('alert'), text, button('Try now', { kind: 'small', onclick: retryNow }));
  let timer = 0;
  let wasOffline = false;
  const show = (conn) => {
    clearTimeout(timer);
    if (conn.state === 'offline') {
      wasOffline = true;
      // a blink of the network is not worth a banner
      timer = setTimeout(() => {
        el.hidden = false;
        text.textContent = 'The connection to Lodge is lost. What you see may be old; trying again…';
      }, el.hidden ? 700 : 0);
    } else if (conn.state === 'online') {
      el.hidden = true;
      if (wasOffline) announce('The connection is back.');
      wasOffline = false;
    }
  };
  undo.push(on('conn', show), () => clearTimeout(timer));
  return el;
}

/** Settled states are spoken; what is on its way is not. */
function speakStates() {
  undo.push(on('event', (ev) => {
    if (ev.kind === 'instance.state' && ev.data?.state && tone(ev.data.state) !== 'busy') announce(`${ev.subject.name} is ${ev.data.state}`);
    if (ev.kind === 'instance.deleted') announce(`${ev.subject.name} is deleted`);
    if (ev.kind === 'instance.storage' && ev.data?.level === 'warning') toast('bad', `${ev.subject.name} has used ${ev.data.percent} % of its disk space`, 'It is stopped when that is used up.');
  }));
}

function ticker() {
  const timer = setInterval(() => document.visibilityState === 'visible' && document.dispatchEvent(new CustomEvent('lodge:tick')), 15000);
  undo.push(() => clearInterval(timer));
}

// ── the palette ────────────────────────────────────────────────────────────────────────────────────

const apple = /Mac|iPhone|iPad/.test(navigator.platform);
export const openPalette = () => import('./palette.js').then((m) => m.togglePalette(), (e) => fail('The palette could not be loaded', e));

const paletteButton = () => h('button', { type: 'button', class: 'btn find', 'aria-keyshortcuts': apple ? 'Meta+K' : 'Control+K', onclick: openPalette }, icon('search'), h('span', { class: 'find-word' }, 'Find'), h('kbd', { 'aria-hidden': 'true' }, apple ? '⌘K' : 'Ctrl K'));

// ── the whole ──────────────────────────────────────────────────────────────────────────────────────

const logo = () => h('a', { class: 'brand', href: '#/instances', 'aria-label': 'Lodge, to the instances' }, h('img', { src: '/favicon.svg', alt: '', width: '20', height: '20' }), h('span', null, 'Lodge'));

export function buildShell(session) {
  undo.forEach((fn) => fn());
  undo = [];
  links = VIEWS.filter(([, , word]) => word).map(([path, , word]) => h('a', { href: '#' + path, dataset: { path } }, word));
  switcher = tenantSwitch(session);
  const header = h('header', { class: 'top' }, logo(), h('nav', { 'aria-label': 'Main' }, links),
    h('div', { class: 'top-end' }, paletteButton(), switcher, themeButton(),
      h('a', { class: 'who', href: '#/settings/account', title: 'Your account' }, session.user.username),
      button('Sign out', { icon: 'exit', iconOnly: true, kind: 'ghost', onclick: signOut })));
  const main = h('main', { id: 'main' });
  const panel = operationsPanel();
  undo.push(panel.dispose);
  speakStates();
  ticker();
  return { main, nodes: [header, banner(), main, h('div', { class: 'dock' }, toasts, panel.el), announcer] };
}

export function refreshShell() {
  for (const link of links) {
    const path = route.path === '/api' ? '/settings/api' : route.path; // that is where its link is
    const here = path === link.dataset.path || path.startsWith(link.dataset.path + '/');
    if (here) {
      link.setAttribute('aria-current', 'page');
      link.parentNode.scrollTo({ left: link.offsetLeft - 80 }); // a strip where it is narrow
    } else link.removeAttribute('aria-current');
  }
}

export const isAdmin = () => store.session?.user.role === 'admin';
