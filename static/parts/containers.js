// Containers that run one command and are thrown away (/api/containers): a form for one, those at work, kept true by their events,
// and how those ended that were seen here.

import { h, reconcile } from '../dom.js';
import { del, get } from '../api.js';
import { age, full } from '../format.js';
import { announce } from './announce.js';
import { reading } from './reading.js';
import { runOnceForm } from './run-once.js';
import { act, cell, change, table } from './table.js';

const SHOWN = 20;
const WORDS = { queued: ['busy', 'Waiting'], running: ['good', 'Running'] };

function stateOf(c) {
  if (WORDS[c.state]) return WORDS[c.state];
  if (c.error) return ['bad', `Ended: ${c.error}`];
  return c.exitCode ? ['bad', `Exit code ${c.exitCode}`] : ['off', 'Ended'];
}

const AT = { base: '/api/containers' };

/** The list beside instances has [name, id, image, state]; these are called run-…. */
const listed = async () => (await get('/list', AT)).filter(([name]) => name.startsWith('run-')).map(([, id, image, state]) => ({ id, image, state }));

function cells(c) {
  const [tone, word] = stateOf(c);
  const remove = () => change({ ask: { title: 'End this container?', text: [`${c.image} is ended and removed.`], verb: 'End it' }, send: () => del(`/${c.id}`, AT), said: 'It is being ended', failed: 'It was not ended', reload: () => {} });
  return [
    cell('Image', h('span', { class: 'name' }, c.image)),
    cell('State', h('span', { class: 'state', dataset: { tone } }, h('span', { class: 'dot', 'aria-hidden': 'true' }), h('span', { class: 'word' }, word))),
    cell('Begun', c.createdAt ? h('time', { dateTime: c.createdAt, title: full(c.createdAt) }, age(c.createdAt)) : '–'),
    cell('', c.state === 'ended' ? null : act(`End ${c.image}`, 'trash', remove)),
  ];
}

export function containers(ctx) {
  const known = new Map();
  const nodes = new Map();
  const list = table('Containers of one command', ['Image', 'State', 'Begun', ''], []);
  const body = list.querySelector('tbody');
  list.hidden = true;
  const row = (c) => h('tr', { role: 'row' }, cells(c));
  const draw = () => {
    const shown = [...known.values()].slice(-SHOWN).reverse();
    reconcile(body, nodes, shown, (c) => c.id, row, (tr, c) => tr.replaceChildren(...cells(c)));
    list.hidden = !shown.length;
  };
  const put = (c) => known.set(c.id, { ...known.get(c.id), ...c });

  // What comes by events while the list is on its way is newer than it.
  let before = new Set();
  const read = () => {
    before = new Set(known.keys());
    return listed();
  };
  const { el, load } = reading({ what: 'The containers', read, draw: take, waiting: '' });
  function take(now) {
    for (const id of before) if (known.get(id)?.state !== 'ended' && !now.some((c) => c.id === id)) known.delete(id);
    for (const c of now) if (known.get(c.id)?.state !== 'ended') known.set(c.id, { ...c, ...known.get(c.id) });
    draw();
  }

  ctx.on('event', (ev) => {
    if (!ev.kind.startsWith('container.')) return;
    put(ev.data.container);
    if (ev.kind === 'container.ended') announce(`${ev.data.container.image}: ${stateOf(ev.data.container)[1]}`);
    draw();
  });
  ctx.on('gone', () => {
    known.clear();
    load();
  });
  load();
  return h('section', { class: 'run-once', 'aria-label': 'Containers of one command' }, h('div', { class: 'run-past-head' }, h('h2', null, 'Containers of one command'), h('span', { class: 'quiet hint' }, 'of any image, thrown away at their end')), runOnceForm(ctx), el, list);
}
