// Usage: what the instance used over an hour, a day or a month, one crosshair over all charts; live while one looks.

import { button, fill, h, icon } from '../dom.js';
import { get } from '../api.js';
import { bytes, percent } from '../format.js';
import { store } from '../live.js';
import { setQuery, state as route } from '../router.js';
import { charts, withGaps } from '../parts/chart.js';

// A step that the server keeps, and how often something new can be expected.
const RANGES = [
  { key: '1h', word: '1 h', long: 'the last hour', ms: 3600e3, step: 10 },
  { key: '24h', word: '24 h', long: 'the last 24 hours', ms: 86400e3, step: 60 },
  { key: '30d', word: '30 d', long: 'the last 30 days', ms: 30 * 86400e3, step: 900 },
];

const rate = (n) => (n === null || n === undefined ? '–' : `${bytes(n)}/s`);
const SPECS = [
  { word: 'CPU', lines: [{ word: '', tone: 'accent' }], show: percent, tick: (v) => `${v} %`, floor: 5, of: (d) => [d.cpu.avg] },
  { word: 'Memory', lines: [{ word: '', tone: 'accent' }], show: (v) => bytes(v), tick: (v) => bytes(v), floor: 1048576, binary: true, of: (d) => [d.memory.avg] },
  { word: 'Network', lines: [{ word: 'in', tone: 'accent' }, { word: 'out', tone: 'hold', dash: true }], show: rate, tick: rate, floor: 1024, binary: true, of: (d) => [d.network.rxRate, d.network.txRate] },
  { word: 'Disk', lines: [{ word: '', tone: 'accent' }], show: (v) => bytes(v), tick: (v) => bytes(v), floor: 1048576, binary: true, of: (d) => [d.storage.used] },
];

const GROUPS = { cpu: ['avg'], memory: ['avg'], network: ['rxRate', 'txRate'], storage: ['used'] };

/** Put newer points behind the known ones: what both have, the newer answer says; what is too old goes. */
export function merge(old, fresh, from) {
  if (!old) return fresh;
  const first = fresh.at.length ? Date.parse(fresh.at[0]) : Infinity;
  const keep = old.at.map((t, i) => i).filter((i) => Date.parse(old.at[i]) < first && Date.parse(old.at[i]) >= from);
  const out = { ...fresh, at: [...keep.map((i) => old.at[i]), ...fresh.at] };
  for (const [group, names] of Object.entries(GROUPS)) {
    out[group] = {};
    for (const name of names) out[group][name] = [...keep.map((i) => old[group]?.[name]?.[i] ?? null), ...(fresh[group]?.[name] ?? [])];
  }
  return out;
}

class Usage {
  constructor(ctx, inst) {
    this.inst = inst;
    this.range = RANGES.find((r) => r.key === route.query.get('range')) ?? RANGES[0];
    this.set = charts(SPECS);
    this.buttons = RANGES.map((r) => h('button', { type: 'button', class: 'seg', 'aria-pressed': String(r === this.range), onclick: () => this.choose(r) }, r.word));
    this.note = h('div', { class: 'empty', hidden: true });
    this.node = h('div', null, h('div', { class: 'tools' }, h('div', { class: 'segs', role: 'group', 'aria-label': 'Time shown' }, this.buttons), this.set.moment), this.note, this.set.el);
    const seen = () => document.visibilityState === 'visible' && this.ask();
    document.addEventListener('visibilitychange', seen);
    ctx.on('conn', (conn) => conn.state === 'online' && this.ask());
    ctx.dispose(() => {
      this.over = true;
      clearTimeout(this.timer);
      document.removeEventListener('visibilitychange', seen);
      this.set.stop();
    });
    this.ask();
  }

  choose(range) {
    this.range = range;
    this.data = null;
    this.buttons.forEach((b, i) => b.setAttribute('aria-pressed', String(RANGES[i] === range)));
    setQuery({ range: range === RANGES[0] ? '' : range.key });
    this.ask();
  }

  async ask() {
    clearTimeout(this.timer);
    const range = this.range;
    const from = Date.now() - range.ms;
    const since = this.data?.at.length ? Math.max(from, Date.parse(this.data.at.at(-1)) - range.step * 1000) : from;
    try {
      const fresh = await get(`/compute/instances/${this.inst.id}/usage?since=${encodeURIComponent(new Date(since).toISOString())}&step=${range.step}`);
      if (this.over || range !== this.range) return;
      this.data = merge(this.data, fresh, from);
    } catch (e) {
      if (this.over || range !== this.range || e.status === 401) return;
      if (!this.data) this.tell('alert', 'The usage could not be read', e.message, button('Try again', { onclick: () => this.ask() }));
    }
    if (this.data) await this.draw(from).catch(() => this.tell('alert', 'The charts could not be loaded', 'The library that draws them did not arrive. A server without it gets it by “make static-libs”.', button('Try again', { onclick: () => this.ask() })));
    if (this.over) return;
    if (document.visibilityState === 'visible' && !this.over) this.timer = setTimeout(() => this.ask(), Math.min(60, range.step) * 1000);
  }

  tell(ic, title, text, more) {
    const key = title + text;
    this.set.el.hidden = true;
    this.note.hidden = false;
    if (this.told === key) return;
    this.told = key;
    fill(this.note, icon(ic), h('h2', null, title), h('p', null, text), more);
  }

  async draw(from) {
    const d = this.data;
    const now = store.instances.get(this.inst.id) ?? this.inst;
    if (!d.at.length) return this.tell('chart', `Nothing was measured in ${this.range.long}`, now.state === 'running' ? 'It is measured every 10 seconds while it runs: the first figures come in a moment.' : 'It is measured while it runs. Start it, and look again.');
    this.note.hidden = true;
    this.set.el.hidden = false;
    this.told = '';
    const at = d.at.map((t) => Date.parse(t) / 1000);
    const step = d.step ?? this.range.step;
    await this.set.draw(SPECS.map((spec) => withGaps(at, spec.of(d), step)), [from / 1000, Date.now() / 1000]);
    return undefined;
  }
}

export function usage(ctx, inst) {
  const view = new Usage(ctx, inst);
  return { node: view.node, update: (i) => (view.inst = i) };
}
