// What happened to one instance, newest first, as it happens.

import { fill, h } from '../dom.js';
import { get } from '../api.js';
import { bytes, clock, full } from '../format.js';
import { store } from '../live.js';
import { reading } from '../parts/reading.js';
import { opDetail, opTitle } from '../parts/toast.js';

const BACK = 1000; // events looked through for the past
const MAX = 300;

const STORAGE = { warning: 'its disk space is nearly used up', full: 'its disk space is used up', ok: 'it has disk space again' };

const about = (ev, id) => ev.subject?.id === id || ev.data?.operation?.instance === id;

function sentence(ev) {
  const d = ev.data ?? {};
  const op = d.operation;
  if (op) return [opTitle(op), opDetail(op)].filter(Boolean).join(': ');
  if (ev.kind === 'instance.state') return `${d.previous ?? '?'} → ${d.state}${d.reason?.text ? `: ${d.reason.text}` : ''}`;
  if (ev.kind === 'instance.storage') return `${STORAGE[d.level] ?? d.level}: ${bytes(d.used)} of ${bytes(d.limit)}`;
  return d.url ?? d.text ?? '';
}

/** The events after `since`, as far as they are kept, a few pages at most. */
async function past(since) {
  const found = [];
  for (let page = 0; page < 4; page++) {
    let got;
    try {
      got = await get(`/events?since=${since}&pageSize=500`);
    } catch (e) {
      const oldest = Number(e.details?.oldest);
      if (e.status !== 410 || !(oldest > since + 1)) throw e;
      since = oldest - 1; // older ones are not kept
      continue;
    }
    found.push(...got.events);
    since = got.next;
    if (got.events.length < 500) break;
  }
  return found;
}

export function events(ctx, inst) {
  const list = h('ol', { class: 'events', 'aria-label': 'Events, newest first' });
  const known = new Map();
  let read = false;
  const draw = () => {
    const items = [...known.values()].sort((a, b) => b.id - a.id).slice(0, MAX);
    fill(list, items.map((ev) => h('li', null, h('time', { dateTime: ev.at, title: full(ev.at), class: 'num' }, clock(ev.at)), h('span', { class: 'kind mono' }, ev.kind), h('span', null, sentence(ev)))));
    empty.hidden = !read || items.length > 0;
  };
  const empty = h('p', { class: 'quiet pad' }, 'Nothing has happened lately. What happens from now on appears here by itself.');
  ctx.on('event', (ev) => about(ev, inst.id) && (known.set(ev.id, ev), draw()));
  const { el, load } = reading({ what: 'What happened before', read: () => past(Math.max(0, store.last - BACK)), draw: (before) => {
    for (const ev of before) if (about(ev, inst.id)) known.set(ev.id, ev);
    read = true;
    draw();
  } });
  draw();
  load();
  return { node: h('div', null, el, empty, list) };
}
