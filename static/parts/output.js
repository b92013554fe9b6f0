// What a program writes, as it comes.

import { fill, h } from '../dom.js';

const OUTPUT_MAX = 400000; // characters shown
const ANSI = /\x1b(?:\[[0-9;?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])/g;

/** What standard output and standard error wrote, in the order it came; the newest OUTPUT_MAX characters. */
export class Output {
  constructor(label) {
    this.el = h('div', { class: 'log run-out', tabindex: '0', role: 'log', 'aria-live': 'off', 'aria-label': label });
    this.stick = true;
    this.el.addEventListener('scroll', () => (this.stick = this.el.scrollHeight - this.el.scrollTop - this.el.clientHeight < 30));
    this.clear();
  }

  clear(hint = '') {
    this.size = 0;
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
