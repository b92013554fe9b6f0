// Earlier runs of the tenant as the server keeps them: the beginning of the code and of what it printed. What it does not keep,
// input above all, this tab remembers of its own.

import { button, fill, h, setText } from '../dom.js';
import { get } from '../api.js';
import { ago, full } from '../format.js';
import { store } from '../live.js';
import { outcome } from './outcome.js';
import { people } from './people.js';
import { reading } from './reading.js';

const REPL = { base: '/api/repl' };
const PAGE = 10;
const WRITTEN_MS = 400; // the server writes a run down within a second
const TRIES = 8;
const ASKED = 'lodge.run.asked';
const ASKED_MAX = 20;
const ASKED_CHARS = 50000;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const size = (text) => new TextEncoder().encode(text).length;

function remembered() {
  try {
    return JSON.parse(sessionStorage.getItem(ASKED)) ?? [];
  } catch {
    return [];
  }
}

function remember(id, asked) {
  if (JSON.stringify(asked).length > ASKED_CHARS) return;
  try {
    sessionStorage.setItem(ASKED, JSON.stringify([{ id, asked }, ...remembered()].slice(0, ASKED_MAX)));
  } catch {
    /* full or forbidden: it works without */
  }
}

/** What it was asked with, as far as that is known. */
function askedOf(run) {
  const own = remembered().find((r) => r.id === run.id)?.asked;
  return { language: run.language, code: run.code, cut: !own && size(run.code) < run.codeBytes, ...own };
}

/** `restore(asked, run)` puts one back. → {node, ran(id, asked): one of ours has ended} */
export function pastRuns(ctx, { wordOf, restore }) {
  let runs = [];
  let next = null;
  let names = new Map();
  const list = h('ul', { class: 'run-history' });
  const none = h('p', { class: 'quiet', hidden: true }, 'Nothing has run yet.');
  const count = h('span', { class: 'quiet count' });
  const more = button('Show older', { kind: 'small', onclick: () => older() });
  more.hidden = true;

  const item = (r) => {
    const [tone, words] = outcome(r);
    const who = r.user === store.session?.user.id ? '' : names.get(r.user);
    return h('li', null, h('button', { type: 'button', class: 'run-entry', title: full(r.createdAt), onclick: () => restore(askedOf(r), r) },
      h('span', { class: 'state', dataset: { tone } }, h('span', { class: 'dot', 'aria-hidden': 'true' }), h('span', { class: 'word' }, wordOf(r.language))),
      h('code', null, r.code.split('\n').find((line) => line.trim()) ?? ''), h('span', { class: 'quiet' }, [words, who, ago(r.createdAt)].filter(Boolean).join(' · '))));
  };
  const draw = (total) => {
    const held = [...list.children].find((li) => li.contains(document.activeElement))?.run;
    fill(list, runs.map((r) => Object.assign(item(r), { run: r.id })));
    if (held) [...list.children].find((li) => li.run === held)?.firstChild.focus();
    setText(count, total ? String(total) : '');
    none.hidden = runs.length > 0;
    more.hidden = !next;
  };

  const page = (query) => get(`/runs?pageSize=${PAGE}${query}`, REPL);
  const { el, load } = reading({ what: 'Earlier runs', waiting: '', read: () => Promise.all([page(''), people()]), draw: ([got, known]) => {
    names = known;
    const at = got.runs.findIndex((r) => r.id === runs[0]?.id);
    if (at >= 0) runs = [...got.runs.slice(0, at), ...runs];
    else ({ runs, next } = got); // the first time, or more than a page came since
    draw(got.total);
  } });
  const further = reading({ what: 'Older runs', waiting: '', read: () => page(`&cursor=${encodeURIComponent(next)}`), draw: (got) => {
    runs.push(...got.runs);
    next = got.next;
    draw(got.total);
  } });
  const older = () => further.load();

  /** What others ran meanwhile: a look at the newest one tells. */
  const tick = async () => {
    const newest = await get('/runs?pageSize=1', REPL).catch(() => null); // the next look tells
    if (newest && !el.firstChild && newest.runs[0]?.id !== runs[0]?.id) await load();
    else draw(newest?.total ?? Number(count.textContent)); // times go on
  };
  const ran = async (id, asked) => {
    remember(id, asked);
    for (let i = 0; i < TRIES && !ctx.gone && !el.firstChild && !runs.some((r) => r.id === id); i++) {
      await pause(WRITTEN_MS);
      await load();
    }
  };
  document.addEventListener('lodge:tick', tick);
  ctx.dispose(() => document.removeEventListener('lodge:tick', tick));
  load();
  const head = h('div', { class: 'run-past-head' }, h('h2', null, 'Earlier runs'), count, h('span', { class: 'quiet hint' }, 'of everybody in the tenant'));
  return { node: h('section', { class: 'run-past', 'aria-label': 'Earlier runs' }, head, el, none, list, further.el, more), ran };
}
