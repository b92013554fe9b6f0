// The playground: a piece of code, what it reads, what it wrote as it writes it. The last runs are kept in this browser.

import { button, fill, h, icon, setBlocked, setText } from '../dom.js';
import { ago, bytes, full } from '../format.js';
import { store } from '../live.js';
import { codeEditor } from '../parts/editor.js';
import { announce } from '../parts/announce.js';
import { stream } from '../parts/run.js';

const OUTPUT_MAX = 400000; // characters shown
const KEPT = 20;
const KEPT_CODE = 20000; // characters of code in the history
const ANSI = /\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])/g;

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

const seconds = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10000 ? 2 : 1)} s`);

/** What standard output and standard error wrote, in the order it came; the newest OUTPUT_MAX characters. */
class Output {
  constructor() {
    this.el = h('div', { class: 'log run-out', tabindex: '0', role: 'log', 'aria-live': 'off', 'aria-label': 'Output' });
    this.stick = true;
    this.el.addEventListener('scroll', () => (this.stick = this.el.scrollHeight - this.el.scrollTop - this.el.clientHeight < 30));
    this.clear();
  }

  clear(hint = '') {
    this.size = 0;
    this.all = '';
    this.last = null;
    this.pending = [];
    fill(this.el, hint ? h('p', { class: 'quiet log-empty' }, hint) : null);
    this.hint = Boolean(hint);
  }

  add(kind, text) {
    this.pending.push([kind, text]);
    this.frame ||= requestAnimationFrame(() => this.flush());
  }

  flush() {
    this.frame = 0;
    const come = this.pending;
    if (this.hint && come.length) this.clear();
    for (const [kind, raw] of come) {
      const text = raw.replace(ANSI, '');
      if (this.last?.dataset.kind === kind) this.last.firstChild.appendData(text);
      else this.el.append((this.last = h('span', { class: `run-${kind}`, dataset: { kind } }, text)));
      this.size += text.length;
      if (kind === 'out') this.all += text;
    }
    this.pending = [];
    while (this.size > OUTPUT_MAX && this.el.firstChild) {
      const first = this.el.firstChild;
      const over = Math.min(this.size - OUTPUT_MAX, first.textContent.length);
      if (over === first.textContent.length) first.remove();
      else first.firstChild.deleteData(0, over);
      this.size -= over;
    }
    if (this.stick) this.el.scrollTop = this.el.scrollHeight;
  }
}

/** An event of the stream → [kind, text], or its end. A default event is output; errors say so themselves. */
function read(ev) {
  if (ev.event === 'done') {
    try {
      return { end: JSON.parse(ev.data || '{}') };
    } catch {
      return { end: {} };
    }
  }
  if (ev.event === 'stderr' || ev.event === 'error' || ev.data.startsWith('ERROR:')) return { kind: 'err', text: ev.data };
  if (ev.event === '' || ev.event === 'stdout' || ev.event === 'message') return { kind: 'out', text: ev.data };
  return { note: ev.data };
}

const LIMITS = { time: 'it took too long', wall: 'it took too long', cpu: 'it used too much CPU time', memory: 'it used too much memory', output: 'it wrote too much', disk: 'its disk was full', processes: 'it made too many processes' };

/** One line about how it ended: [tone, words] */
function outcome(end, ms) {
  const facts = [];
  const took = end.timeMs ?? end.durationMs ?? (end.time !== undefined ? end.time * 1000 : ms);
  facts.push(seconds(took));
  const memory = end.memoryBytes ?? end.memory;
  if (memory) facts.push(bytes(memory));
  const limit = end.limit ?? end.limitHit;
  const bad = limit ? LIMITS[limit] ?? `it hit its limit: ${limit}` : end.signal ? `it was ended by ${end.signal}` : end.exitCode ? `exit code ${end.exitCode}` : end.success === false ? 'it failed' : '';
  return [bad ? 'bad' : 'good', `${bad ? bad.charAt(0).toUpperCase() + bad.slice(1) : 'Done'} · ${facts.join(' · ')}`];
}

export default function playground(ctx) {
  let languages = [];
  let chosen = ctx.query.get('language') ?? kept('language', 'python');
  let job = null; // AbortController of the run at work
  let tick = 0;
  const drafts = kept('drafts', {});

  const picker = h('select', { 'aria-label': 'Language' });
  const runBtn = button('Run', { icon: 'play', kind: 'primary', 'aria-keyshortcuts': 'Control+Enter', onclick: () => run() });
  const stopBtn = button('Stop', { icon: 'stop', onclick: () => job?.abort() });
  const status = h('span', { class: 'run-status', role: 'status' });
  const host = h('div', { class: 'editor' });
  const input = h('textarea', { class: 'run-in', rows: '3', spellcheck: 'false', autocapitalize: 'off', 'aria-label': 'Standard input', value: kept('input', '') });
  const out = new Output();
  const list = h('ul', { class: 'run-history' });
  const notice = h('div', { class: 'failure', role: 'alert', hidden: true });

  const example = (name) => languages.find((l) => l.name === name)?.example ?? EXAMPLES[name] ?? '';
  const editor = codeEditor(host, { label: 'Code', text: drafts[chosen] ?? example(chosen), onrun: () => run(), onchange: () => {
    drafts[chosen] = editor.text();
    clearTimeout(tick.save);
    tick.save = setTimeout(() => keep('drafts', drafts), 400);
  } });
  tick = { save: 0, clock: 0 };
  editor.language(chosen);
  out.clear('Press Run, or Ctrl and Enter in the editor.');

  function choose(name) {
    drafts[chosen] = editor.text();
    chosen = name;
    picker.value = name;
    keep('language', name);
    editor.set(drafts[name] ?? example(name));
    editor.language(name);
  }
  picker.addEventListener('change', () => choose(picker.value));
  input.addEventListener('input', () => keep('input', input.value.slice(0, KEPT_CODE)));

  function say(tone, text) {
    status.dataset.tone = tone;
    setText(status, text);
  }

  function buttons() {
    const ready = languages.length > 0;
    setBlocked(runBtn, job ? 'It runs already.' : ready ? null : 'No language is ready on this host.');
    setBlocked(stopBtn, job ? null : 'Nothing runs.');
  }

  // ── history ──

  function restore(entry) {
    if (languages.some((l) => l.name === entry.language)) choose(entry.language);
    editor.set(entry.code);
    input.value = entry.input ?? '';
    editor.focus();
  }

  function drawHistory() {
    const entries = kept('history', []);
    const item = (e) => h('li', null, h('button', { type: 'button', class: 'run-entry', title: full(e.at), onclick: () => restore(e) },
      h('span', { class: 'state', dataset: { tone: e.tone } }, h('span', { class: 'dot', 'aria-hidden': 'true' }), h('span', { class: 'word' }, wordOf(e.language))),
      h('code', null, e.code.split('\n').find((line) => line.trim()) ?? ''), h('span', { class: 'quiet' }, `${e.said} · ${ago(e.at)}`)));
    fill(list, entries.map(item));
    past.hidden = !entries.length;
  }

  function remember(tone, said, asked) {
    const entries = kept('history', []).filter((e) => e.code !== asked.code || e.language !== asked.language || (e.input ?? '') !== asked.stdin);
    entries.unshift({ at: new Date().toISOString(), tone, said, language: asked.language, code: asked.code.slice(0, KEPT_CODE), input: asked.stdin });
    keep('history', entries.slice(0, KEPT));
    drawHistory();
  }

  const past = h('section', { class: 'run-past', hidden: true, 'aria-label': 'Earlier runs' }, h('div', { class: 'run-past-head' }, h('h2', null, 'Earlier runs'),
    button('Forget them', { kind: 'ghost small', onclick: () => (keep('history', []), drawHistory()) })), list);

  // ── running ──

  async function run() {
    if (job || !languages.length) return;
    const asked = { language: chosen, code: editor.text(), stdin: input.value };
    const began = performance.now();
    const mine = (job = new AbortController());
    let end = null;
    notice.hidden = true;
    out.clear();
    buttons();
    say('busy', 'Running…');
    tick.clock = setInterval(() => say('busy', `Running · ${((performance.now() - began) / 1000).toFixed(1)} s`), 100);
    const onevent = (ev) => {
      const said = read(ev);
      if (said.end) end = said.end;
      else if (said.note === undefined) out.add(said.kind, said.text);
    };
    let tone = 'bad';
    let words = '';
    try {
      await stream('/api/repl/execute/stream', asked, { signal: mine.signal, onevent });
      [tone, words] = end ? outcome(end, performance.now() - began) : ['bad', 'The answer broke off'];
    } catch (e) {
      words = e.name === 'AbortError' ? `Stopped after ${seconds(performance.now() - began)}` : e.message;
      if (e.name === 'AbortError') tone = 'hold';
      else refuse(e);
    }
    clearInterval(tick.clock);
    job = null;
    if (ctx.gone) return;
    out.flush();
    if (!out.size) out.clear('It wrote nothing.');
    say(tone, words);
    announce(words);
    buttons();
    remember(tone, words, asked);
  }

  function refuse(e) {
    notice.hidden = false;
    fill(notice, h('h2', null, icon('alert'), e.status === 429 ? 'Too many runs at once' : 'It did not run'), h('p', null, e.message + (e.retryAfter ? ` Try again in ${e.retryAfter} s.` : '')));
  }

  // ── languages ──

  async function load() {
    try {
      const res = await fetch('/api/repl/languages', { credentials: 'same-origin', headers: { Accept: 'application/json' } });
      const answer = await res.json();
      if (!res.ok) throw new Error(answer.error?.message ?? `The server answered ${res.status}.`);
      const details = new Map((answer.details ?? []).map((d) => [d.name, d]));
      languages = answer.languages.map((name) => ({ ...details.get(name), name }));
    } catch (e) {
      refuse({ message: `The languages could not be read. ${e.message}` });
    }
    fill(picker, languages.map((l) => h('option', { value: l.name }, wordOf(l.name) + (l.version ? ` ${l.version}` : ''))));
    picker.hidden = !languages.length;
    if (languages.length && !languages.some((l) => l.name === chosen)) choose(languages[0].name);
    picker.value = chosen;
    if (!editor.text()) editor.set(example(chosen));
    if (!languages.length && notice.hidden) refuse({ message: 'No language is ready on this host yet. An administrator builds them; this takes some minutes the first time.' });
    buttons();
  }

  ctx.dispose(() => {
    ctx.gone = true;
    job?.abort();
    clearInterval(tick.clock);
    clearTimeout(tick.save);
    keep('drafts', drafts);
    editor.destroy();
  });
  buttons();
  drawHistory();
  load();
  const tools = h('div', { class: 'tools' }, picker, runBtn, stopBtn, status, h('span', { class: 'grow' }),
    button('Example', { kind: 'ghost small', title: 'Put the example of this language here', onclick: () => (editor.set(example(chosen)), editor.focus()) }));
  return {
    title: 'Run code',
    node: h('div', { class: 'page' }, h('div', { class: 'page-head' }, h('h1', null, 'Run code'), h('span', { class: 'quiet bench-hint' }, 'in a sandbox that is thrown away')), notice, tools,
      h('div', { class: 'bench' }, h('div', { class: 'bench-in' }, host, h('label', { class: 'bench-label' }, h('span', null, 'Standard input'), input)), out.el), past),
  };
}
