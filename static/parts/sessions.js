// The tenant's open sessions: interpreters that keep their state, of which it may have a few at the same time. No event tells of
// them, so they are read again while somebody looks.

import { button, h, reconcile, setText } from '../dom.js';
import { del, get } from '../api.js';
import { ago, duration } from '../format.js';
import { store } from '../live.js';
import { people } from './people.js';
import { reading } from './reading.js';
import { cell, change, table, when } from './table.js';

const REPL = { base: '/api/repl' };
const EVERY_MS = 5000;

const STATES = { running: ['busy', 'Running a snippet'], idle: ['good', 'Waiting'] };

/** Each use renews the lease, and so does a snippet at work. */
function leaseOf(s) {
  if (s.state === 'running') return `${duration(s.ttlSeconds * 1000)} after the snippet`;
  const left = Date.parse(s.expiresAt) - Date.now();
  return left > 0 ? `ends in ${duration(left)}` : 'ends now';
}

/** One that has ended by itself meanwhile is what was wanted. */
async function end(id) {
  try {
    await del(`/sessions/${id}`, REPL);
  } catch (e) {
    if (e.status !== 404) throw e;
  }
}

function ask(s, word, who) {
  const whose = who === 'you' ? '' : `It was opened by ${who || 'somebody else'}.`;
  const busy = s.state === 'running' ? 'A snippet is running in it.' : '';
  return { title: `End this ${word} session?`, text: [whose, busy, 'What it has in memory and its files are lost.'].filter(Boolean), verb: 'End it' };
}

function makeRow(s, { wordOf, names, load }) {
  const word = wordOf(s.language);
  const who = names.get(s.user);
  const state = h('span', { class: 'state' }, h('span', { class: 'dot', 'aria-hidden': 'true' }), h('span', { class: 'word' }));
  const lease = h('span', { class: 'num' });
  const opened = when(s.createdAt);
  const remove = () => change({ ask: ask(row.session, word, who), send: () => end(s.id), said: `The ${word} session is ended`, failed: `The ${word} session was not ended`, reload: load });
  const row = h('tr', { role: 'row' }, cell('Language', h('span', { class: 'name' }, word)), cell('State', state), cell('Opened by', who ?? '–'), cell('Opened', opened), cell('Lease', lease),
    cell('', button('End', { kind: 'small', 'aria-label': `End the ${word} session opened by ${who ?? 'somebody'}`, onclick: remove })));
  Object.assign(row, { state, opened, lease });
  return row;
}

function updateRow(row, s) {
  const [tone, word] = STATES[s.state] ?? ['off', s.state];
  row.session = s;
  row.state.dataset.tone = tone;
  setText(row.state.lastChild, word);
  setText(row.opened, ago(s.createdAt));
  setText(row.lease, leaseOf(s));
}

/** → the section, for as long as `ctx` lives. */
export function sessions(ctx, wordOf) {
  const nodes = new Map();
  const list = table('Open sessions', ['Language', 'State', 'Opened by', 'Opened', 'Lease', ''], []);
  const body = list.querySelector('tbody');
  const count = h('span', { class: 'quiet count' });
  const none = h('p', { class: 'quiet', hidden: true }, 'None is open. A session is an interpreter that keeps its variables between snippets: ', h('code', null, 'lodge repl python'), ' opens one.');
  list.hidden = true;
  const draw = ([{ sessions: all }, names]) => {
    reconcile(body, nodes, all, (s) => s.id, (s) => makeRow(s, { wordOf, names, load }));
    for (const s of all) updateRow(nodes.get(s.id), s);
    setText(count, all.length ? String(all.length) : '');
    list.hidden = !all.length;
    none.hidden = all.length > 0;
  };
  const { el, load } = reading({ what: 'The sessions', read: () => Promise.all([get('/sessions', REPL), people()]), draw });
  let timer = 0;
  let over = false;
  // one question at a time; while it stands there that they could not be read, the person or the connection asks
  const look = async () => {
    clearTimeout(timer);
    if (document.visibilityState === 'visible' && store.conn.state === 'online' && !el.firstChild) await load();
    clearTimeout(timer);
    if (!over) timer = setTimeout(look, EVERY_MS);
  };
  document.addEventListener('visibilitychange', look);
  ctx.dispose(() => {
    over = true;
    clearTimeout(timer);
    document.removeEventListener('visibilitychange', look);
  });
  load().then(() => over || (timer = setTimeout(look, EVERY_MS)));
  return h('section', { class: 'run-sessions', 'aria-label': 'Open sessions' }, h('div', { class: 'run-past-head' }, h('h2', null, 'Open sessions'), count), el, list, none);
}
