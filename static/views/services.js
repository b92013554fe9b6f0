// The service registry: who is there, kept true by its events. A lease that is renewed is no event, so no time is shown for it.

import { fill, h, icon, reconcile, setText } from '../dom.js';
import { get } from '../api.js';
import { age, full } from '../format.js';
import { setQuery } from '../router.js';
import { copyText } from '../parts/dialog.js';
import { announce } from '../parts/announce.js';
import { reading } from '../parts/reading.js';

const TONE = { Healthy: 'good', Unhealthy: 'bad', Starting: 'busy', Stopping: 'hold' };
const FLASH_MS = 1600;

const keyOf = (s) => `${s.own ? '' : '+'}${s.name}/${s.id}`;

/** "10.0.0.1:80", "[::1]:80"; without a port there is nothing to reach over the network. */
function placeOf({ address, port }) {
  if (!port) return '';
  return address.includes(':') && !address.startsWith('[') && !address.includes('://') ? `[${address}]:${port}` : `${address}:${port}`;
}

function cells(s) {
  const cell = (cls, word, ...kids) => h('td', { role: 'cell', class: cls, dataset: { word } }, kids);
  const place = placeOf(s);
  const facts = Object.entries(s.metadata).map(([k, v]) => h('span', { class: 'chip' }, `${k}=${v}`));
  return [
    cell('c-name', '', h('span', { class: 'name' }, s.name), s.own ? h('span', { class: 'chip accent' }, 'Lodge') : null),
    cell('c-state', '', h('span', { class: 'state', dataset: { tone: TONE[s.status] ?? 'off' } }, h('span', { class: 'dot', 'aria-hidden': 'true' }), h('span', { class: 'word' }, s.status))),
    cell('c-wrap', 'Id', s.id),
    cell('c-wrap', 'Address', place ? copyText(place) : h('span', { class: 'quiet' }, 'this host')),
    cell('', 'Version', s.version || '–'),
    cell('c-wrap', 'Metadata', facts.length ? h('span', { class: 'facts' }, facts) : '–'),
    cell('num', 'Registered', h('time', { title: full(s.registeredAt), datetime: s.registeredAt ?? '' }, age(s.registeredAt))),
  ];
}

const row = (s) => h('tr', { role: 'row', dataset: { said: JSON.stringify(s) } }, cells(s));

function update(node, s) {
  const said = JSON.stringify(s);
  if (node.dataset.said === said) return;
  node.dataset.said = said;
  fill(node, cells(s));
  node.classList.add('changed');
  setTimeout(() => node.classList.remove('changed'), FLASH_MS);
}

const matches = (s, text) => !text || [s.name, s.id, s.address, s.status, s.version].join(' ').toLowerCase().includes(text);
const inOrder = (a, b) => Number(a.own) - Number(b.own) || a.name.localeCompare(b.name) || a.id.localeCompare(b.id);

export default function services(ctx) {
  const known = new Map();
  const nodes = new Map();
  const body = h('tbody', { role: 'rowgroup' });
  const words = ['Service', 'Status', 'Id', 'Address', 'Version', 'Metadata', 'Registered'];
  const table = h('table', { class: 'list cards-small services', role: 'table', 'aria-label': 'Services' },
    h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, words.map((w) => h('th', { role: 'columnheader', scope: 'col', class: w === 'Registered' ? 'num' : '' }, w)))), body);
  const search = h('input', { type: 'search', placeholder: 'Find a service', 'aria-label': 'Find a service', value: ctx.query.get('q') ?? '', dataset: { search: '' } });
  const empty = h('p', { class: 'quiet', role: 'status', hidden: true }, 'No service fits.');
  const count = h('span', { class: 'quiet count' });
  let later = 0;
  const draw = () => {
    const text = search.value.trim().toLowerCase();
    const shown = [...known.values()].filter((s) => matches(s, text)).sort(inOrder);
    reconcile(body, nodes, shown, keyOf, row, update);
    setText(count, known.size ? String(known.size) : '');
    table.hidden = !shown.length;
    empty.hidden = !known.size || shown.length > 0;
  };
  const soon = () => (later ||= requestAnimationFrame(() => ((later = 0), draw())));

  // Events that come while the list is on its way are newer than it.
  let meanwhile = [];
  const read = async () => {
    meanwhile = [];
    return (await get('/services')).services;
  };
  const { el, load } = reading({ what: 'The services', read, draw: (list) => {
    known.clear();
    for (const s of list) known.set(keyOf(s), s);
    for (const ev of meanwhile) take(ev);
    meanwhile = null;
    draw();
  } });
  function take(ev) {
    const s = ev.data.service;
    const gone = ev.kind === 'service.deregistered' || ev.kind === 'service.expired';
    if (gone) known.delete(keyOf(s));
    else known.set(keyOf(s), s);
    if (gone) announce(`${s.name} is gone`);
  }
  ctx.on('service', (ev) => {
    meanwhile?.push(ev);
    take(ev);
    soon();
  });
  ctx.on('gone', load);
  ctx.dispose(() => cancelAnimationFrame(later));
  search.addEventListener('input', () => (setQuery({ q: search.value.trim() }), draw()));
  table.hidden = true;
  load();
  const how = h('p', { class: 'quiet services-how' }, 'Services register at ', h('code', null, 'POST /api/registry/register'), ' and keep their lease alive; an entry whose lease ends disappears. Lodge’s own processes are here for as long as they live.');
  return {
    title: 'Services',
    node: h('div', { class: 'page' }, h('div', { class: 'page-head' }, h('h1', null, 'Services'), count), h('div', { class: 'tools' }, h('div', { class: 'search' }, icon('search'), search)), el, table, empty, how),
  };
}
