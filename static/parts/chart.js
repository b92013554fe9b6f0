// Charts over time on uPlot: several below each other, one time scale and one crosshair over all of them.

import { h, setText } from '../dom.js';
import { full } from '../format.js';
import { library } from '../libs.js';

const HEIGHT = 132;
const AXIS = 62; // pixels left of every plot, so that the time axes agree
const BINARY = Array.from({ length: 50 }, (_, i) => 2 ** i);

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
/** light-dark() is for style sheets; a canvas needs what came out of it. */
function resolved(name) {
  const probe = h('span', { hidden: true });
  document.body.append(probe);
  probe.style.color = colour(name);
  const out = getComputedStyle(probe).color;
  probe.remove();
  return out;
}
const faint = (rgb, share) => rgb.replace(/^rgb\((.*)\)$/, `rgba($1, ${share})`);

const known = (list) => (list ?? []).filter((v) => v !== null && v !== undefined);
const highest = (list) => known(list).reduce((a, b) => Math.max(a, b), 0);
export const average = (list) => (known(list).length ? known(list).reduce((a, b) => a + b, 0) / known(list).length : null);
const newest = (list) => known(list).at(-1) ?? null;

/** A hole where nothing was measured: uPlot breaks a line at null. `at` are seconds, `step` is what lies between two. */
export function withGaps(at, columns, step) {
  const outAt = [];
  const out = columns.map(() => []);
  at.forEach((t, i) => {
    if (i && t - at[i - 1] > step * 2.5) {
      outAt.push(at[i - 1] + step);
      out.forEach((col) => col.push(null));
    }
    outAt.push(t);
    out.forEach((col, c) => col.push(columns[c]?.[i] ?? null));
  });
  return [outAt, ...out];
}

const HOUR = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
const DAY = new Intl.DateTimeFormat(undefined, { day: 'numeric', month: 'short' });
const midnight = (t) => new Date(t * 1000).getHours() === 0 && new Date(t * 1000).getMinutes() === 0;
const times = (u, ticks, axis, space, step) => ticks.map((t) => (step >= 86400 || midnight(t) ? DAY : HOUR).format(t * 1000));

function axes(chart, paint) {
  const look = { stroke: paint.quiet, grid: { stroke: paint.line, width: 1 }, ticks: { show: false }, font: '11px system-ui, sans-serif' };
  return [{ ...look, size: 22, space: 64, values: times }, { ...look, size: AXIS, space: 30, gap: 6, values: (u, ticks) => ticks.map(chart.tick), ...(chart.binary ? { incrs: BINARY } : {}) }];
}

function series(chart, paint) {
  return chart.lines.map((line) => ({ label: line.word, stroke: paint[line.tone], width: 1.5, points: { show: false }, spanGaps: false, ...(line.dash ? { dash: [4, 3] } : { fill: chart.lines.length < 2 ? faint(paint[line.tone], 0.1) : undefined }) }));
}

/** One chart's element: a heading with the figures in words, and the place of the plot. */
class Chart {
  constructor(spec, group) {
    this.spec = spec;
    this.group = group;
    this.figures = spec.lines.map((line) => h('span', { class: 'num' }));
    this.at = h('span', { class: 'chart-at num' });
    this.place = h('div', { class: 'plot' });
    const legend = spec.lines.map((line, i) => h('span', { class: 'chart-line', dataset: { tone: line.tone, dash: line.dash ? '1' : '' } }, line.word && [h('span', { class: 'chart-key', 'aria-hidden': 'true' }), h('span', { class: 'quiet' }, line.word)], this.figures[i]));
    this.said = h('p', { class: 'sr-only' });
    this.el = h('section', { class: 'chart card' }, h('div', { class: 'chart-head' }, h('h2', null, spec.word), legend, this.at), this.place, this.said);
  }

  draw(uPlot, data, span) {
    this.data = data;
    const paint = this.group.paint;
    if (this.plot && this.drawn === paint) {
      this.plot.batch(() => {
        this.plot.setData(data, false);
        this.plot.setScale('x', { min: span[0], max: span[1] });
      });
    } else {
      this.plot?.destroy();
      this.drawn = paint;
      const floor = this.spec.floor ?? 1;
      this.plot = new uPlot({
        width: this.group.width(), height: HEIGHT, legend: { show: false }, padding: [8, 8, 0, 0],
        cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false }, sync: { key: this.group.key, setSeries: false } },
        scales: { x: { time: true, range: () => this.span }, y: { range: (u, min, max) => [0, Math.max(floor, (max ?? 0) * 1.15)] } },
        axes: axes(this.spec, paint), series: [{}, ...series(this.spec, paint)],
        hooks: { setCursor: [(u) => this.tell(u.cursor.idx)] },
      }, data, this.place);
    }
    this.say();
  }

  /** The figures under the crosshair; without one, the newest. */
  tell(idx) {
    const over = idx !== null && idx !== undefined && this.data[0][idx] !== undefined;
    this.spec.lines.forEach((line, i) => {
      const col = this.data[i + 1];
      setText(this.figures[i], this.spec.show(over ? col[idx] : newest(col)));
    });
    this.group.moment(over ? this.data[0][idx] : null);
  }

  say() {
    this.tell(this.plot.cursor.idx);
    const words = this.spec.lines.map((line, i) => {
      const col = this.data[i + 1];
      return `${line.word || this.spec.word}: now ${this.spec.show(newest(col))}, on average ${this.spec.show(average(col))}, at most ${this.spec.show(known(col).length ? highest(col) : null)}`;
    });
    setText(this.said, `${words.join('. ')}.`);
    const all = this.data.slice(1).flatMap(known);
    setText(this.at, all.length ? `peak ${this.spec.show(highest(all))}` : '');
  }
}

/**
 * specs: [{word, lines: [{word, tone: accent|hold|good, dash?}], show(value), tick(value), floor?, binary?}]
 * → {el, draw(columns, span), stop()}: `columns[i]` is the data of the ith chart ([at, line, line…], times in seconds).
 */
export function charts(specs) {
  const moment = h('p', { class: 'chart-moment num quiet' });
  const el = h('div', { class: 'charts' });
  let uPlot = null;
  let last = null;
  const group = {
    key: `charts-${Math.random()}`,
    paint: null,
    width: () => Math.max(200, list[0].place.clientWidth),
    moment: (at) => setText(moment, at === null ? '' : full(new Date(at * 1000).toISOString())),
  };
  const list = specs.map((spec) => new Chart(spec, group));
  el.append(...list.map((c) => c.el));

  const mix = () => (group.paint = { accent: resolved('--accent'), hold: resolved('--hold'), good: resolved('--good'), quiet: resolved('--quiet'), line: resolved('--line') });
  const redraw = () => {
    if (!uPlot || !last || !el.isConnected) return;
    list.forEach((c, i) => {
      c.span = last.span;
      c.draw(uPlot, last.columns[i], last.span);
    });
  };
  const themed = () => (mix(), redraw());
  const system = matchMedia('(prefers-color-scheme: dark)');
  const size = new ResizeObserver(() => list.forEach((c) => c.plot?.setSize({ width: group.width(), height: HEIGHT })));
  document.addEventListener('lodge:theme', themed);
  system.addEventListener('change', themed);
  size.observe(el);
  return {
    el,
    moment,
    draw: async (columns, span) => {
      last = { columns, span };
      if (!uPlot) ({ default: uPlot } = await library('uplot'));
      if (!group.paint) mix();
      redraw();
    },
    stop: () => {
      document.removeEventListener('lodge:theme', themed);
      system.removeEventListener('change', themed);
      size.disconnect();
      list.forEach((c) => c.plot?.destroy());
    },
  };
}
