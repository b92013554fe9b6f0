// The log, followed over a WebSocket; pause, wrap, search, download.

import { button, h, setText } from '../dom.js';
import { get, socketUrl } from '../api.js';
import { store } from '../live.js';

const MAX_LINES = 5000;
const TAIL = 1000;
const ANSI = /\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])/g;

class Log {
  constructor(inst) {
    this.inst = inst;
    this.pending = [];
    this.partial = { stdout: '', stderr: '' };
    this.paused = false;
    this.stick = true;
    this.hits = [];
    this.at = -1;
    this.attempt = 0;
    this.build();
  }

  build() {
    this.out = h('div', { class: 'log', tabindex: '0', role: 'log', 'aria-live': 'off', 'aria-label': `Log of ${this.inst.name}` });
    this.out.addEventListener('scroll', () => (this.stick = this.out.scrollHeight - this.out.scrollTop - this.out.clientHeight < 30));
    this.status = h('span', { role: 'status' }, 'Connecting…');
    this.held = h('span', null); // counts on: nothing to be spoken
    this.pauseBtn = button('Pause', { icon: 'pause', kind: 'small', 'aria-pressed': 'false', onclick: () => this.pause(!this.paused) });
    this.wrap = h('input', { type: 'checkbox', checked: localStorage.getItem('lodge.wrap') !== 'no', onchange: () => this.setWrap() });
    this.search = h('input', { type: 'search', placeholder: 'Search', 'aria-label': 'Search the log; Enter goes to the next, Shift and Enter to the one before', dataset: { search: '1' }, oninput: () => this.find(),
      onkeydown: (e) => e.key === 'Enter' && (e.preventDefault(), this.step(e.shiftKey ? -1 : 1)) });
    this.found = h('span', { class: 'quiet num', role: 'status' });
    const url = `/api/v1/compute/instances/${this.inst.id}/logs?tail=100000`;
    this.node = h('div', { class: 'log-pane' }, h('div', { class: 'tools' }, h('span', { class: 'search' }, this.search), this.found, h('span', { class: 'quiet num' }, this.status, this.held), h('span', { class: 'grow' }),
      h('label', { class: 'inline' }, this.wrap, 'Wrap'), this.pauseBtn, h('a', { class: 'btn small', href: url, download: `${this.inst.name}.log` }, 'Download')), this.out);
    this.nothing = h('p', { class: 'quiet log-empty' }, 'It has written nothing yet.');
    this.out.append(this.nothing);
    this.setWrap();
  }

  setWrap() {
    this.out.classList.toggle('nowrap', !this.wrap.checked);
    localStorage.setItem('lodge.wrap', this.wrap.checked ? 'yes' : 'no');
  }

  pause(yes) {
    this.paused = yes;
    this.pauseBtn.setAttribute('aria-pressed', String(yes));
    setText(this.pauseBtn.lastChild, yes ? 'Continue' : 'Pause');
    if (!yes) {
      this.stick = true;
      this.flushSoon();
    }
    this.say();
  }

  say(text) {
    this.word = text ?? this.word;
    setText(this.status, this.paused ? 'Paused' : this.word);
    setText(this.held, this.paused && this.pending.length ? `, ${this.pending.length} new lines` : '');
  }

  // ── the stream ──

  connect() {
    clearTimeout(this.timer);
    this.close();
    const ws = new WebSocket(socketUrl(`/compute/instances/${this.inst.id}/logs?tail=${TAIL}&follow=true`));
    let fresh = true;
    this.ws = ws;
    this.ended = false;
    ws.onmessage = (e) => {
      if (fresh) this.clear(); // a new stream tells its tail again
      fresh = false;
      this.frame(JSON.parse(e.data));
    };
    ws.onopen = () => ((this.attempt = 0), this.say('Live'));
    ws.onclose = (e) => ws === this.ws && this.lost(e);
  }

  frame(msg) {
    if (msg.end) {
      this.ended = true;
      this.flushPartial();
      return this.say('The log ended here');
    }
    const parts = ((this.partial[msg.stream] ?? '') + msg.text).split('\n');
    this.partial[msg.stream] = parts.pop();
    for (const text of parts) this.pending.push([msg.stream, text]);
    this.flushSoon();
    return undefined;
  }

  flushPartial() {
    for (const s of ['stdout', 'stderr']) {
      if (this.partial[s]) this.pending.push([s, this.partial[s]]);
      this.partial[s] = '';
    }
    this.flushSoon();
  }

  async lost() {
    this.ws = null;
    this.flushPartial();
    if (this.ended || this.gone) return;
    const wait = Math.min(10000, 500 * 2 ** this.attempt++);
    this.say('Disconnected; trying again…');
    if (this.attempt === 2) await this.explain();
    if (!this.gone) this.timer = setTimeout(() => this.connect(), wait);
  }

  /** The browser hides why a handshake failed: the plain request tells. */
  async explain() {
    try {
      await get(`/compute/instances/${this.inst.id}/logs?tail=1`);
    } catch (e) {
      this.say(e.message);
    }
  }

  update(inst) {
    const started = this.inst.state !== 'running' && inst.state === 'running';
    this.inst = { ...inst };
    if (started && !this.ws) this.connect();
  }

  close() {
    const ws = this.ws;
    this.ws = null;
    ws?.close();
  }

  // ── lines on the screen ──

  clear() {
    this.pending = [];
    this.partial = { stdout: '', stderr: '' };
    this.out.replaceChildren(this.nothing);
  }

  flushSoon() {
    if (this.paused) return this.say();
    this.raf ||= requestAnimationFrame(() => this.flush());
    return undefined;
  }

  flush() {
    this.raf = 0;
    const lines = this.pending.slice(-MAX_LINES);
    this.pending = [];
    const part = document.createDocumentFragment();
    if (lines.length) this.nothing.remove();
    for (const [stream, text] of lines) part.append(this.line(stream, text));
    this.out.append(part);
    while (this.out.childElementCount > MAX_LINES) this.out.firstChild.remove();
    if (this.stick) this.out.scrollTop = this.out.scrollHeight;
    if (this.needle) this.count();
  }

  line(stream, raw) {
    const text = raw.replace(ANSI, '').replace(/\r$/, '');
    const el = h('div', { class: stream === 'stderr' ? 'line err' : 'line' });
    el.text = text || '\u200b';
    this.paint(el);
    return el;
  }

  paint(el) {
    const { needle } = this;
    if (!needle || !el.text.toLowerCase().includes(needle)) return void (el.textContent = el.text);
    el.replaceChildren();
    let from = 0;
    const low = el.text.toLowerCase();
    for (let i = low.indexOf(needle); i >= 0; i = low.indexOf(needle, from)) {
      el.append(el.text.slice(from, i), h('mark', null, el.text.slice(i, i + needle.length)));
      from = i + needle.length;
    }
    el.append(el.text.slice(from));
  }

  find() {
    this.needle = this.search.value.toLowerCase();
    for (const el of this.out.querySelectorAll('.line')) this.paint(el);
    this.at = -1;
    this.count();
    if (this.hits.length) this.step(-1);
  }

  count() {
    this.hits = this.needle ? [...this.out.querySelectorAll('mark')] : [];
    setText(this.found, this.needle ? `${this.at >= 0 ? `${this.at + 1} of ` : ''}${this.hits.length} found` : '');
  }

  step(by) {
    if (!this.hits.length) return;
    this.hits[this.at]?.classList.remove('now');
    this.at = (this.at + by + this.hits.length + (this.at < 0 && by < 0 ? 1 : 0)) % this.hits.length;
    const hit = this.hits[this.at];
    hit.classList.add('now');
    this.stick = false;
    hit.scrollIntoView({ block: 'center' });
    this.count();
  }
}

export function log(ctx, inst) {
  const pane = new Log({ ...inst });
  ctx.dispose(() => {
    pane.gone = true;
    clearTimeout(pane.timer);
    cancelAnimationFrame(pane.raf);
    pane.close();
  });
  ctx.on('conn', (c) => c.state === 'online' && !pane.ws && !pane.ended && pane.connect());
  ctx.on('gone', () => pane.update(store.instances.get(inst.id) ?? inst));
  pane.connect();
  return { node: pane.node, update: (i) => pane.update(i) };
}
