// Start: find out who we are, then show the address' view inside the shell, or the sign-in.

import { get, hooks } from './api.js';
import { go, leave, parse, render, state } from './router.js';
import { start, stop, store } from './live.js';
import { buildShell, openPalette, refreshShell } from './parts/shell.js';
import { fill, h } from './dom.js';

const root = document.getElementById('app');
let mode = ''; // 'in' | 'out'

function showSignedOut() {
  mode = 'out';
  state.main = h('main', { id: 'main', class: 'out' });
  fill(root, state.main);
}

/** After the session ended, however it did: to the sign-in, and back to this view afterwards. */
function signedOut() {
  if (mode === 'out') return;
  const back = location.hash.slice(1);
  stop();
  leave();
  showSignedOut();
  const next = back.startsWith('/') && !back.startsWith('/signin') ? `?next=${encodeURIComponent(back)}` : '';
  if (location.hash.startsWith('#/signin')) render();
  else go('/signin' + next);
}

/** With a session in hand: build the shell, begin to follow, show the view. */
export async function signedIn(session) {
  const next = parse().path === '/signin' ? (parse().query.get('next') ?? '/instances') : null;
  if (next?.startsWith('/api/v1/')) return location.assign(next); // an application that is open to members only asked
  mode = 'in';
  const shell = buildShell(session);
  state.main = shell.main;
  leave();
  fill(root, shell.nodes);
  const following = start(session);
  if (next) history.replaceState(null, '', '#' + next);
  await render(false);
  refreshShell();
  await following;
  return undefined;
}

hooks.unauthorized = signedOut;

addEventListener('hashchange', async () => {
  if (!location.hash.startsWith('#/')) return; // an anchor in the page
  if (mode === 'in' && parse().path === '/signin') return go('/instances');
  if (mode === 'out' && parse().path !== '/signin') return go(`/signin?next=${encodeURIComponent(location.hash.slice(1))}`);
  await render();
  refreshShell();
});

document.querySelector('.skip').addEventListener('click', (e) => {
  e.preventDefault();
  const heading = document.querySelector('#main h1') ?? document.getElementById('main');
  heading.setAttribute('tabindex', '-1');
  heading.focus();
});

/** Terminals, consoles and editors have the keyboard for themselves. */
const ownKeys = (target) => target.closest?.('.xterm, [data-own-keys]');

addEventListener('keydown', (e) => {
  if (mode !== 'in' || ownKeys(e.target)) return;
  const other = document.querySelector('dialog[open]:not(.palette)');
  if ((e.ctrlKey || e.metaKey) && !e.altKey && !e.shiftKey && e.key.toLowerCase() === 'k') {
    e.preventDefault();
    if (!other) openPalette();
    return;
  }
  if (e.key !== '/' || e.ctrlKey || e.metaKey || e.altKey || document.querySelector('dialog[open]')) return;
  if (e.target.closest?.('input, textarea, select, [contenteditable]')) return;
  e.preventDefault();
  const field = document.querySelector('[data-search]');
  if (!field) return openPalette();
  field.focus();
  field.select();
});

async function boot() {
  try {
    await signedIn(await get('/session', { quiet: true }));
  } catch (e) {
    if (e.status === 401) return signedOut();
    if (store.session) return undefined; // the stream's banner tells it and tries again
    showSignedOut();
    fill(state.main, h('div', { class: 'page narrow' }, h('h1', null, 'Lodge is not answering'), h('p', { role: 'alert' }, e.message),
      h('button', { class: 'btn primary', type: 'button', onclick: () => location.reload() }, 'Try again')));
  }
  return undefined;
}

if (!location.hash.startsWith('#/')) history.replaceState(null, '', '#/instances');
boot();
