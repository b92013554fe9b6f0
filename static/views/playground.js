// The playground: a piece of code, what it reads, what it wrote as it writes it, and what ran before.

import { button, fill, h, icon, setBlocked, setText, uid } from '../dom.js';
import { ago } from '../format.js';
import { get, post } from '../api.js';
import { store } from '../live.js';
import { codeEditor } from '../parts/editor.js';
import { announce } from '../parts/announce.js';
import { containers } from '../parts/containers.js';
import { outcome, seconds } from '../parts/outcome.js';
import { Output } from '../parts/output.js';
import { pastRuns } from '../parts/past-runs.js';
import { reading } from '../parts/reading.js';
import { execute, stop } from '../parts/run.js';
import { runMore } from '../parts/run-more.js';
import { sessions } from '../parts/sessions.js';
import { typeIn } from '../parts/type-in.js';

const OUTPUT_KEPT = 4096; // bytes of it that the server keeps
const KEPT_INPUT = 20000; // characters of it in this browser

const EXAMPLES = {
  python: 'import sys\n\nname = sys.stdin.readline().strip() or "world"\nfor n in range(1, 6):\n    print(f"{n}: hello, {name}", flush=True)\n',
  javascript: 'const squares = [1, 2, 3, 4].map((n) => n * n);\nconsole.log(squares);\nconsole.error("this goes to standard error");\n',
  bash: 'for n in 1 2 3; do\n  echo "line $n"\n  sleep 0.3\ndone\n',
  c: '#include <stdio.h>\n\nint main(void)\n{\n    puts("hello from C");\n    return 0;\n}\n',
  ruby: '3.times { |n| puts "hello #{n}" }\n',
  perl: 'use strict;\nuse warnings;\n\nprint "hello $_\\n" for 1 .. 3;\n',
  sql: 'CREATE TABLE t (n INTEGER, word TEXT);\nINSERT INTO t VALUES (1, \'one\'), (2, \'two\');\nSELECT * FROM t ORDER BY n DESC;\n',
};
const WORDS = { python: 'Python', javascript: 'JavaScript', bash: 'Bash', c: 'C', ruby: 'Ruby', perl: 'Perl', sql: 'SQL (SQLite)' };
const wordOf = (name) => WORDS[name] ?? name;

const slug = () => (typeof store.session?.tenant === 'string' ? store.session.tenant : store.session?.tenant?.slug) ?? '';
const place = (what) => `lodge.run.${what}.${store.session?.user.username}.${slug()}`;

function kept(what, otherwise) {
  try {
    return JSON.parse(localStorage.getItem(place(what))) ?? otherwise;
  } catch {
    return otherwise;
  }
}

function keep(what, value) {
  try {
    localStorage.setItem(place(what), JSON.stringify(value));
  } catch {
    /* full or forbidden: it works without */
  }
}

const REPL = { base: '/api/repl' };

export default function playground(ctx) {
  let languages = [];
  let chosen = ctx.query.get('language') ?? kept('language', 'python');
  let job = null; // of the run at work: {abort: AbortController, id, open: can be typed to}
  let tick = 0;
  let told = ''; // the language and its state
  const drafts = kept('drafts', {});
  localStorage.removeItem(place('history')); // the server keeps it

  const picker = h('select', { 'aria-label': 'Language' }, h('option', { value: chosen }, wordOf(chosen)));
  const runBtn = button('Run', { icon: 'play', kind: 'primary', 'aria-keyshortcuts': 'Control+Enter', onclick: () => run() });
  const stopBtn = button('Stop', { icon: 'stop', onclick: () => halt() });
  const status = h('span', { class: 'run-status' }); // a clock is no status: its end alone is spoken
  const host = h('div', { class: 'editor' });
  const input = h('textarea', { id: uid('f'), rows: '3', spellcheck: 'false', autocapitalize: 'off', value: kept('input', '') });
  const live = h('input', { type: 'checkbox', checked: kept('live', false), onchange: () => (keep('live', live.checked), buttons()) });
  const typing = typeIn((line) => out.add('in', line));
  const out = new Output('Output');
  const more = runMore(() => {
    const asked = more.read();
    if (JSON.stringify(asked).length <= KEPT_INPUT) keep('more', asked);
  });
  more.set(kept('more', {}));
  const notice = h('div', { class: 'failure', role: 'alert', hidden: true });
  const building = h('div', { class: 'building', hidden: true });

  const example = (name) => languages.find((l) => l.name === name)?.example || EXAMPLES[name] || '';
  const editor = codeEditor(host, { label: 'Code', text: drafts[chosen] ?? example(chosen), onrun: () => run(), onchange: () => {
    drafts[chosen] = editor.text();
    clearTimeout(tick.save);
    tick.save = setTimeout(() => keep('drafts', drafts), 400);
  } });
  tick = { save: 0, clock: 0, build: 0 };
  editor.language(chosen);
  out.clear('Press Run, or Ctrl and Enter in the editor.');

  function choose(name) {
    drafts[chosen] = editor.text();
    chosen = name;
    picker.value = name;
    keep('language', name);
    editor.set(drafts[name] ?? example(name));
    editor.language(name);
    showBuilding();
    buttons();
  }
  picker.addEventListener('change', () => choose(picker.value));
  input.addEventListener('input', () => keep('input', input.value.slice(0, KEPT_INPUT)));

  function say(tone, text) {
    status.dataset.tone = tone;
    setText(status, text);
  }

  function buttons() {
    setBlocked(runBtn, job ? 'It runs already.' : isReady() ? null : languages.length ? 'The language is not built yet.' : 'No language is known.');
    setBlocked(stopBtn, job ? null : 'Nothing runs.');
    typing.el.hidden = !live.checked && !job?.open;
    out.el.setAttribute('aria-live', job?.open ? 'polite' : 'off'); // who is asked something must hear it
  }

  // ── earlier runs ──

  const past = pastRuns(ctx, { wordOf, restore: (asked, run) => {
    if (languages.some((l) => l.name === asked.language)) choose(asked.language);
    editor.set(asked.code);
    if (asked.stdin !== undefined) {
      input.value = asked.stdin;
      live.checked = Boolean(asked.interactive);
      more.set(asked);
    }
    buttons();
    editor.focus();
    if (!job) show(run, asked.cut);
  } });

  /** What an earlier run wrote, and how it went. */
  function show(run, cut) {
    const [tone, words] = outcome(run);
    out.clear(run.output ? '' : 'It wrote nothing.');
    if (run.output) out.add('out', run.output);
    if (run.output && new TextEncoder().encode(run.output).length >= OUTPUT_KEPT) out.add('note', '\n… only the beginning is kept');
    say(tone, `${words} · ${ago(run.createdAt)}${cut ? ' · only the beginning of its code is kept' : ''}`);
    announce(status.textContent);
  }

  // ── running ──

  async function run() {
    if (job || !isReady() || !more.fits()) return;
    const asked = { language: chosen, code: editor.text(), stdin: input.value, ...(live.checked && { interactive: true }), ...more.read() };
    const began = performance.now();
    const mine = (job = { abort: new AbortController(), id: '', open: live.checked });
    notice.hidden = true;
    out.clear();
    buttons();
    say('busy', 'Running…');
    tick.clock = setInterval(() => say('busy', `Running · ${((performance.now() - began) / 1000).toFixed(1)} s`), 100);
    let tone = 'bad';
    let words = '';
    const stopped = () => `Stopped after ${seconds(performance.now() - began)}`;
    try {
      const end = await execute(asked, { signal: mine.abort.signal, onid: (id) => (mine.id = id), onoutput: (stream, text) => out.add(stream === 'stderr' ? 'err' : 'out', text), onagain: () => out.clear(), onopen: typing.open });
      [tone, words] = end.limit === 'stopped' ? ['hold', stopped()] : outcome(end, performance.now() - began);
    } catch (e) {
      words = e.name === 'AbortError' ? stopped() : e.message;
      if (e.name === 'AbortError') tone = 'hold';
      else if (!more.showError(e)) refuse(e);
    }
    clearInterval(tick.clock);
    job = null;
    if (ctx.gone) return;
    const held = typing.close();
    out.flush();
    if (!out.size) out.clear('It wrote nothing.');
    say(tone, words);
    if (notice.hidden) announce(words); // else it has told
    buttons();
    if (held) runBtn.focus();
    if (mine.id) past.ran(mine.id, asked);
  }

  /** The server ends it and says so; where it cannot be told, leaving does it. */
  async function halt() {
    const mine = job;
    if (!mine) return;
    try {
      if (!mine.id) throw new Error('not begun');
      await stop(mine.id);
      setTimeout(() => mine.abort.abort(), 3000); // nothing, when it has ended by then
    } catch (e) {
      if (e.status !== 404) mine.abort.abort(); // else it has ended, and its end is on the way
    }
  }

  function refuse(e) {
    notice.hidden = false;
    fill(notice, h('h2', null, icon('alert'), e.status === 429 ? 'Too many runs at once' : 'It did not run'), h('p', null, e.message + (e.retryAfter ? ` Try again in ${e.retryAfter} s.` : '')));
  }

  // ── languages ──

  const current = () => languages.find((l) => l.name === chosen);
  const isReady = () => current()?.state === 'ready';

  /** A language that is not there yet: how far it is, or the way to build it. */
  function showBuilding() {
    const l = current();
    const busy = l?.state === 'building' || l?.state === 'looking';
    tellBuilding(l);
    clearTimeout(tick.build);
    building.hidden = !l || l.state === 'ready';
    if (building.hidden) return;
    const bar = h('progress', { max: '1', 'aria-label': `Building ${wordOf(l.name)}`, ...(l.progress ? { value: l.progress } : {}) });
    const build = button(`Build ${wordOf(l.name)}`, { kind: 'primary', onclick: () => prepare(l.name) });
    fill(building, h('p', null, busy ? `${wordOf(l.name)} is being built: ${l.message || 'it begins'}` : l.state === 'error' ? `${wordOf(l.name)} could not be built: ${l.message}` : `${wordOf(l.name)} is not built on this host yet. This takes some minutes, once.`), busy ? bar : build);
    if (busy) tick.build = setTimeout(load, 1000);
  }

  /** What is drawn every second is spoken when it changes. */
  function tellBuilding(l) {
    const before = told;
    told = l && `${l.name} ${l.state}`;
    if (before === told || !before?.startsWith(`${l?.name} `)) return;
    if (l.state === 'building') announce(`${wordOf(l.name)} is being built`);
    if (l.state === 'ready') announce(`${wordOf(l.name)} is built`);
    if (l.state === 'error') announce(`${wordOf(l.name)} could not be built: ${l.message}`);
  }

  async function prepare(name) {
    try {
      await post(`/languages/${encodeURIComponent(name)}/prepare`, undefined, REPL);
    } catch (e) {
      refuse(e);
    }
    await load();
  }

  const { el: unread, load } = reading({ what: 'The languages', read: () => get('/languages', REPL), draw: take, waiting: '' });

  function take({ details }) {
    if (ctx.gone) return;
    languages = details;
    const word = (l) => wordOf(l.name) + (l.version ? ` ${l.version}` : l.state === 'ready' ? '' : ' (not built)');
    fill(picker, languages.map((l) => h('option', { value: l.name }, word(l))));
    picker.hidden = !languages.length;
    if (languages.length && !current()) choose(languages[0].name);
    picker.value = chosen;
    if (!editor.text()) editor.set(example(chosen));
    showBuilding();
    buttons();
  }

  ctx.dispose(() => {
    ctx.gone = true;
    job?.abort.abort();
    clearInterval(tick.clock);
    clearTimeout(tick.save);
    clearTimeout(tick.build);
    keep('drafts', drafts);
    editor.destroy();
  });
  buttons();
  load();
  const tools = h('div', { class: 'tools' }, picker, runBtn, stopBtn, status, h('span', { class: 'grow' }),
    button('Example', { kind: 'ghost small', title: 'Put the example of this language here', onclick: () => (editor.set(example(chosen)), editor.focus()) }));
  return {
    title: 'Run code',
    node: h('div', { class: 'page' }, h('div', { class: 'page-head' }, h('h1', null, 'Run code'), h('span', { class: 'quiet bench-hint' }, 'in a sandbox that is thrown away')), unread, notice, building, tools,
      h('div', { class: 'bench' }, h('div', { class: 'bench-in' }, host, h('div', { class: 'bench-label' }, h('div', { class: 'row' }, h('label', { for: input.id }, 'Standard input'), h('label', { class: 'inline' }, live, 'Type while it runs')), input), more.el), h('div', { class: 'bench-out' }, out.el, typing.el)), past.node, sessions(ctx, wordOf), containers(ctx)),
  };
}
