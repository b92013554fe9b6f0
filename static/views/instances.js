// The list: live state, filter and sort in the address, verbs per row and for many at once.

import { button, fill, h, icon, reconcile, setBlocked, setText } from '../dom.js';
import { age, bytes, full, percent } from '../format.js';
import { findInstances, loadInstances, store } from '../live.js';
import { setQuery } from '../router.js';
import { act, bulk, remove } from '../parts/actions.js';
import { announce } from '../parts/announce.js';
import { confirm, copyText } from '../parts/dialog.js';
import { kindIcon, refusal, setState, stateBadge, STATES, TRANSIENT, VERBS, why } from '../parts/state.js';
import { drawSparkline, latest, observeUsage, sparkline } from '../parts/usage.js';
import { openCreate } from './create.js';

const STEP = 500; // rows listed at once
const FIRST = 50; // of them built before the first paint; the others follow while the browser is idle

const idle = window.requestIdleCallback ?? ((fn) => setTimeout(fn, 30));
const noIdle = window.cancelIdleCallback ?? clearTimeout;

const owner = (i) => (typeof i.owner === 'object' ? i.owner?.username : i.owner) ?? '';
const COLUMNS = [
  { key: 'name', word: 'Name', value: (i) => i.name },
  { key: 'state', word: 'State', value: (i) => i.state },
  { key: 'image', word: 'Image', value: (i) => i.config?.image ?? '' },
  { key: 'address', word: 'Address', value: (i) => (i.network?.address ?? '').split('.').map((n) => n.padStart(3, '0')).join('.') },
  { key: 'cpu', word: 'CPU', num: true, live: true, value: (i) => latest(i)?.cpu ?? -1 },
  { key: 'memory', word: 'Memory', num: true, live: true, value: (i) => latest(i)?.used ?? -1 },
  { key: 'owner', word: 'Owner', value: owner },
  { key: 'age', word: 'Age', num: true, value: (i) => -Date.parse(i.createdAt) },
];

const GROUPS = [
  ['', 'Any state'],
  ['running', 'Running'],
  ['stopped', 'Stopped'],
  ['error', 'Error'],
  ['busy', 'Changing'],
  ...STATES.filter((s) => ['paused', 'asleep'].includes(s)).map((s) => [s, s[0].toUpperCase() + s.slice(1)]),
];

const inGroupOfServer = (group) => (group === 'busy' ? '' : group);
const inGroup = (inst, group) => !group || (group === 'busy' ? TRANSIENT.has(inst.state) : inst.state === group);

function matches(inst, words) {
  const labels = Object.entries(inst.labels ?? {}).map(([k, v]) => `${k}=${v}`);
  const text = [inst.name, inst.id, inst.config?.image, inst.network?.address, owner(inst), inst.state, ...labels].join(' ').toLowerCase();
  return words.every((w) => text.includes(w));
}

function compare(column, dir) {
  return (a, b) => {
    const x = column.value(a);
    const y = column.value(b);
    const order = typeof x === 'number' ? x - y : x.localeCompare(y, undefined, { numeric: true });
    return order * dir || a.name.localeCompare(b.name, undefined, { numeric: true });
  };
}

const short = (ref = '') => ref.replace(/^docker\.io\/(library\/)?/, '').replace(/@sha256:([0-9a-f]{8})[0-9a-f]+$/, '@$1');

// ── a row ──────────────────────────────────────────────────────────────────────────────────────────

function makeRow(inst, view) {
  const p = {};
  const cell = (cls, word, ...kids) => h('td', { role: 'cell', class: cls, dataset: { word } }, kids);
  p.check = h('input', { type: 'checkbox', 'aria-label': `Select ${inst.name}`, onchange: () => view.select(inst.id, p.check.checked) });
  p.state = stateBadge(inst.state);
  p.why = h('span', { class: 'why' });
  p.image = h('span', { class: 'clip' });
  p.addr = h('span', null);
  p.open = h('a', { class: 'open', target: '_blank', rel: 'noopener' }, icon('link'));
  p.cpu = h('span', { class: 'num' });
  p.mem = h('span', { class: 'num' });
  p.cpuLine = sparkline();
  p.memLine = sparkline();
  p.age = h('time', null);
  p.act = {};
  for (const verb of ['start', 'stop', 'delete']) {
    const run = () => !p.act[verb].dataset.blocked && (verb === 'delete' ? remove(row.inst) : act(row.inst, verb));
    p.act[verb] = button(`${VERBS[verb].label} ${inst.name}`, { icon: VERBS[verb].icon, iconOnly: true, kind: 'ghost', onclick: run });
  }
  const row = h('tr', { role: 'row', dataset: { id: inst.id } },
    cell('c-check', '', p.check),
    cell('c-name', '', h('div', { class: 'name-line' }, kindIcon(inst), h('a', { href: `#/instances/${inst.id}`, class: 'name', title: inst.name }, inst.name), p.open)),
    cell('c-state', '', p.state, p.why),
    cell('c-image', 'Image', p.image),
    cell('c-addr', '', p.addr),
    cell('c-cpu', '', h('span', { class: 'word-small' }, 'CPU '), p.cpuLine, p.cpu),
    cell('c-mem', '', h('span', { class: 'word-small sr-only' }, 'Memory '), p.memLine, p.mem),
    cell('c-owner', 'Owner', owner(inst)),
    cell('c-age num', 'Age', p.age),
    cell('c-acts', '', p.act.start, p.act.stop, p.act.delete));
  row.parts = p;
  p.check.checked = view.selected.has(inst.id);
  view.usage.add(row);
  updateRow(row, inst);
  return row;
}

function updateUsage(row) {
  const { parts: p, inst } = row;
  const u = latest(inst);
  setText(p.cpu, u ? percent(u.cpu) : '–');
  setText(p.mem, u ? bytes(u.used) : '–');
  drawSparkline(p.cpuLine, u ? inst.id : '', 'cpu');
  drawSparkline(p.memLine, u ? inst.id : '', 'used');
}

function updateRow(row, inst) {
  const p = row.parts;
  row.inst = inst;
  row.dataset.state = inst.state;
  setState(p.state, inst.state, inst.status);
  const because = inst.state === 'error' || TRANSIENT.has(inst.state) ? why(inst) : '';
  setText(p.why, because);
  p.why.title = because;
  setText(p.image, short(inst.config?.image));
  p.image.title = inst.config?.image ?? '';
  const addr = inst.network?.address ?? '';
  if (p.addr.textContent !== (addr || '–')) fill(p.addr, addr ? copyText(addr) : '–');
  const url = inst.ingress?.[0]?.url ?? '';
  p.open.hidden = !url;
  if (url && p.open.href !== url) {
    p.open.href = url;
    p.open.title = new URL(url).host;
    p.open.setAttribute('aria-label', `Open ${p.open.title}`);
  }
  setText(p.age, age(inst.createdAt));
  p.age.dateTime = inst.createdAt;
  p.age.title = full(inst.createdAt);
  for (const verb of ['start', 'stop', 'delete']) setBlocked(p.act[verb], refusal(verb, inst.state, verb === 'delete'));
  updateUsage(row);
}

// ── results of a bulk action ───────────────────────────────────────────────────────────────────────

const RESULT_ICON = { done: 'check', failed: 'alert', skipped: 'pause' };

function resultsBox() {
  const title = h('h2', null);
  const list = h('ul', { class: 'results' });
  const el = h('section', { class: 'bulk-results', hidden: true, 'aria-label': 'Results' },
    h('div', { class: 'row' }, title, button('Dismiss', { kind: 'small', onclick: () => (el.hidden = true) })), list);
  const items = new Map();
  el.begin = (verb, count) => {
    items.clear();
    fill(list);
    el.hidden = false;
    setText(title, `${VERBS[verb].doing} ${count} instances…`);
  };
  el.report = (inst, status, text) => {
    const li = items.get(inst.id) ?? h('li', null);
    items.set(inst.id, li);
    li.dataset.status = status;
    fill(li, status === 'running' ? h('span', { class: 'spinner', 'aria-hidden': 'true' }) : icon(RESULT_ICON[status]), h('strong', null, inst.name), h('span', null, text));
    if (!li.isConnected) list.append(li);
  };
  el.end = (verb) => {
    const count = (s) => [...items.values()].filter((li) => li.dataset.status === s).length;
    const words = [`${count('done')} ${VERBS[verb].done}`, count('failed') && `${count('failed')} failed`, count('skipped') && `${count('skipped')} skipped`];
    setText(title, words.filter(Boolean).join(', '));
    announce(title.textContent);
  };
  return el;
}

// ── the view ───────────────────────────────────────────────────────────────────────────────────────

class View {
  constructor(ctx) {
    this.rows = new Map();
    this.selected = new Set();
    this.limit = STEP;
    this.built = FIRST;
    this.listed = [];
    this.usage = observeUsage();
    this.frame = 0;
    ctx.dispose(() => this.usage.stop());
    ctx.dispose(() => cancelAnimationFrame(this.frame));
    ctx.dispose(() => noIdle(this.growing));
    ctx.dispose(() => clearTimeout(this.asking));
    this.read(ctx.query);
    this.build();
    ctx.on('instances', () => this.later());
    ctx.on('instance', () => this.later());
    ctx.on('usage', (id) => this.rows.has(id) && updateUsage(this.rows.get(id)));
    // what is sorted by usage moves with it, but not from under the pointer or the focus
    ctx.on('usages', () => this.column.live && !this.body.matches(':hover, :focus-within') && this.later());
    const tick = () => this.later();
    document.addEventListener('lodge:tick', tick);
    ctx.dispose(() => document.removeEventListener('lodge:tick', tick));
    this.draw();
  }

  read(query) {
    this.q = query.get('q') ?? '';
    this.state = query.get('state') ?? '';
    const sort = query.get('sort') ?? 'name';
    this.dir = sort.startsWith('-') ? -1 : 1;
    this.column = COLUMNS.find((c) => c.key === sort.replace(/^-/, '')) ?? COLUMNS[0];
  }

  write() {
    const sort = (this.dir < 0 ? '-' : '') + this.column.key;
    setQuery({ q: this.q, state: this.state, sort: sort === 'name' ? '' : sort });
    this.limit = STEP;
    this.built = FIRST;
    this.draw();
    this.askServer();
  }

  build() {
    this.search = h('input', { type: 'search', value: this.q, placeholder: 'Filter', 'aria-label': 'Filter by name, image, address, owner or label', title: 'Press / to come here', dataset: { search: '1' },
      oninput: () => ((this.q = this.search.value.trim()), this.write()),
      onkeydown: (e) => e.key === 'Escape' && ((this.search.value = this.q = ''), this.write()) });
    this.stateSelect = h('select', { 'aria-label': 'State', onchange: () => ((this.state = this.stateSelect.value), this.write()) },
      GROUPS.map(([v, word]) => h('option', { value: v, selected: v === this.state }, word)));
    this.sortSelect = h('select', { class: 'sort-select', 'aria-label': 'Sort by', onchange: () => this.sortBy(COLUMNS.find((c) => c.key === this.sortSelect.value)) },
      COLUMNS.map((c) => h('option', { value: c.key }, `Sort: ${c.word}`)));
    this.count = h('span', { class: 'quiet count', role: 'status' });
    this.allBox = h('input', { type: 'checkbox', 'aria-label': 'Select all that are listed', onchange: () => this.selectAll(this.allBox.checked) });
    this.heads = COLUMNS.map((c) => h('th', { role: 'columnheader', scope: 'col', class: `c-${c.key}${c.num ? ' num' : ''}` },
      h('button', { type: 'button', class: 'sort', onclick: () => this.sortBy(c) }, c.word, h('span', { class: 'arrow', 'aria-hidden': 'true' }))));
    this.body = h('tbody', { role: 'rowgroup' });
    this.table = h('table', { role: 'table', class: 'list instances', 'aria-label': 'Instances' },
      h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, h('th', { role: 'columnheader', scope: 'col', class: 'c-check' }, this.allBox), this.heads, h('th', { role: 'columnheader', scope: 'col', class: 'c-acts' }, h('span', { class: 'sr-only' }, 'Actions')))), this.body);
    this.more = button('Show more', { onclick: () => ((this.limit += STEP), this.draw()) });
    this.empty = h('div', { class: 'empty' });
    this.results = resultsBox();
    this.buildBulk();
    this.node = h('div', { class: 'page' },
      h('div', { class: 'page-head' }, h('h1', null, 'Instances'), this.count, button('Create instance', { icon: 'plus', kind: 'primary', onclick: () => openCreate() })),
      h('div', { class: 'tools', role: 'search' }, h('span', { class: 'search' }, icon('search'), this.search), this.stateSelect, this.sortSelect),
      this.bulkBar, this.results, this.table, this.empty, this.more);
  }

  buildBulk() {
    this.bulkCount = h('strong', { role: 'status' });
    this.bulkBar = h('div', { class: 'bulk', hidden: true, role: 'group', 'aria-label': 'The selected instances' }, this.bulkCount,
      ['start', 'stop', 'restart', 'delete'].map((verb) => button(VERBS[verb].label, { icon: VERBS[verb].icon, kind: verb === 'delete' ? 'danger-ghost' : '', onclick: () => this.bulk(verb) })),
      button('Clear', { kind: 'ghost', onclick: () => this.selectAll(false) }));
  }

  async bulk(verb) {
    const chosen = [...this.selected].map((id) => store.instances.get(id)).filter(Boolean);
    if (!chosen.length) return;
    const live = chosen.filter((i) => refusal('delete', i.state)).length;
    if (verb === 'delete') {
      const text = ['What they stored inside is lost. This cannot be undone.', live ? `${live} of them are not stopped: they will be stopped at once.` : '', chosen.map((i) => i.name).slice(0, 12).join(', ') + (chosen.length > 12 ? ` and ${chosen.length - 12} more` : '')];
      const yes = await confirm({ title: `Delete ${chosen.length} instances?`, text: text.filter(Boolean), verb: 'Delete all', typed: live ? 'delete' : '' });
      if (!yes) return;
    }
    this.results.begin(verb, chosen.length);
    this.selectAll(false);
    await bulk(chosen, verb, this.results.report);
    this.results.end(verb);
  }

  select(id, yes) {
    if (yes) this.selected.add(id);
    else this.selected.delete(id);
    this.drawSelection();
  }

  selectAll(yes) {
    this.selected = new Set(yes ? this.listed.map((i) => i.id) : []);
    for (const [id, row] of this.rows) row.parts.check.checked = this.selected.has(id);
    this.drawSelection();
  }

  drawSelection() {
    const there = new Set(this.listed.map((i) => i.id));
    for (const id of this.selected) if (!there.has(id)) this.selected.delete(id);
    const n = this.selected.size;
    if (!n && this.bulkBar.contains(document.activeElement)) this.search.focus();
    this.bulkBar.hidden = !n;
    setText(this.bulkCount, n ? `${n} selected` : '');
    this.allBox.checked = n > 0 && n === there.size;
    this.allBox.indeterminate = n > 0 && n < there.size;
  }

  sortBy(column) {
    this.dir = column === this.column ? -this.dir : 1;
    this.column = column;
    this.write();
  }

  later() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  draw() {
    if (!store.loaded) return this.drawWaiting();
    const words = this.q.toLowerCase().split(/\s+/).filter(Boolean);
    const all = [...store.instances.values()];
    const found = all.filter((i) => inGroup(i, this.state) && matches(i, words)).sort(compare(this.column, this.dir));
    this.listed = found.slice(0, this.limit);
    this.drawRows(updateRow);
    this.heads.forEach((th, i) => {
      if (COLUMNS[i] === this.column) th.setAttribute('aria-sort', this.dir > 0 ? 'ascending' : 'descending');
      else th.removeAttribute('aria-sort');
    });
    this.sortSelect.value = this.column.key;
    this.more.hidden = found.length <= this.limit;
    this.table.hidden = !found.length;
    setText(this.count, found.length === store.total ? `${store.total}` : `${found.length} of ${store.total}`);
    this.drawEmpty(all.length, found.length);
    this.drawSelection();
    return undefined;
  }

  /** A long list is built piece by piece, so that the first rows can be read and used at once. */
  drawRows(update) {
    reconcile(this.body, this.rows, this.listed.slice(0, this.built), (i) => i.id, (i) => makeRow(i, this), update);
    noIdle(this.growing);
    if (this.built < this.listed.length) this.growing = idle(() => ((this.built += FIRST / 2), this.drawRows()), { timeout: 200 });
  }

  drawWaiting() {
    const e = store.error;
    this.table.hidden = true;
    this.more.hidden = true;
    if (!e) return fill(this.empty, h('p', { class: 'quiet' }, 'Loading…'));
    const none = !(store.session?.tenants ?? []).length;
    return fill(this.empty, icon('alert'), h('h2', null, none ? 'You belong to no tenant yet' : 'The instances could not be read'),
      h('p', null, none ? 'Ask an administrator to make you a member of one.' : e.message), button('Try again', { onclick: () => loadInstances().catch(() => {}) }));
  }

  /** Beyond what is loaded only the server can look. */
  askServer() {
    clearTimeout(this.asking);
    if (store.partial() && (this.q || inGroupOfServer(this.state))) this.asking = setTimeout(() => findInstances(this.q, inGroupOfServer(this.state)).catch(() => {}), 300);
  }

  drawEmpty(total, found) {
    this.empty.hidden = found > 0;
    const kind = found ? '' : total ? 'filter' : 'none';
    if (this.emptyKind === kind) return;
    this.emptyKind = kind;
    if (kind === 'none')
      fill(this.empty, icon('container'), h('h2', null, 'No instances yet'), h('p', null, 'An instance is a container or a virtual machine on this host, with an address of its own and, if you like, a web address.'),
        button('Create the first one', { icon: 'plus', kind: 'primary', onclick: () => openCreate() }));
    else if (kind === 'filter')
      fill(this.empty, icon('search'), h('h2', null, 'None matches'), h('p', null, 'No instance fits the filter and the state.'),
        button('Clear the filter', { onclick: () => ((this.search.value = this.q = ''), (this.state = this.stateSelect.value = ''), this.write()) }));
  }

  update(params, query) {
    this.read(query);
    this.search.value = this.q;
    this.stateSelect.value = this.state;
    this.draw();
    return true;
  }
}

export default function instances(ctx) {
  const view = new View(ctx);
  return { title: 'Instances', node: view.node, update: (p, q) => view.update(p, q) };
}
