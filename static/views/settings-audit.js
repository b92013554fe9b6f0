// The audit record: who changed what, from where, with which result. The filter is in the address.

import { button, fill, h, icon, setText } from '../dom.js';
import { get } from '../api.js';
import { full } from '../format.js';
import { setQuery, state as route } from '../router.js';
import { reading } from '../parts/reading.js';
import { cell, nothing, row, table } from '../parts/table.js';

const SIZE = 50;

function line(a) {
  const subject = typeof a.subject === 'object' && a.subject ? (a.subject.name ?? a.subject.id) : a.subject;
  const good = a.result === 'ok' || a.result === 200;
  return row(cell('When', h('time', { dateTime: a.at, class: 'num' }, full(a.at))), cell('Who', (a.user?.username ?? a.user) || '–', a.token ? h('span', { class: 'chip', title: a.token }, 'token') : null), cell('From', h('span', { class: 'num' }, a.address || '–')),
    cell('What', h('strong', null, a.action)), cell('On', a.details && typeof a.details === 'string' ? h('span', { class: 'clip subject', title: a.details }, a.details) : null, h('span', { class: a.details && typeof a.details === 'string' ? 'why' : 'clip subject', title: subject ?? '' }, subject || '–')), cell('Result', h('span', { class: good ? 'quiet' : 'bad-text' }, String(a.result ?? ''))));
}

class Audit {
  constructor(ctx) {
    this.q = route.query.get('q') ?? '';
    this.search = h('input', { type: 'search', value: this.q, placeholder: 'Filter', 'aria-label': 'Filter by who, what, on what, from where or result', dataset: { search: '1' }, title: 'Press / to come here', oninput: () => this.typed(), onkeydown: (e) => e.key === 'Escape' && this.search.value && ((this.search.value = ''), this.typed()) });
    this.count = h('span', { class: 'quiet num', role: 'status' });
    this.listed = h('div', null);
    this.reading = reading({ what: 'The audit log', read: () => this.read(), draw: (got) => this.draw(got), denied: 'This is for the owners of the tenant and for admins.' });
    this.more = button('Show older', { onclick: () => this.load(this.page + 1) });
    this.more.hidden = true;
    this.node = h('section', { class: 'audit' }, h('h2', null, 'Audit log'), h('div', { class: 'tools', role: 'search' }, h('span', { class: 'search' }, icon('search'), this.search), this.count, h('span', { class: 'grow' }), button('Refresh', { icon: 'restart', kind: 'small', onclick: () => this.load(1) })), this.reading.el, this.listed, this.more);
    ctx.dispose(() => clearTimeout(this.timer));
    this.load(1);
  }

  typed() {
    this.q = this.search.value.trim();
    setQuery({ q: this.q });
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.load(1), 250);
  }

  load(page) {
    this.wanted = page;
    return this.reading.load();
  }

  async read() {
    const page = this.wanted;
    return { page, ...(await get(`/audit?page=${page}&pageSize=${SIZE}${this.q ? `&q=${encodeURIComponent(this.q)}` : ''}`)) };
  }

  draw({ page, audit: lines, total = 0 }) {
    this.page = page;
    this.rows = [...(page > 1 ? this.rows : []), ...lines.map(line)];
    setText(this.count, `${this.rows.length === total ? '' : `${this.rows.length} of `}${total}`);
    this.more.hidden = this.rows.length >= total;
    fill(this.listed, this.rows.length ? table('Audit log', ['When', 'Who', 'From', 'What', 'On', 'Result'], this.rows)
      : this.q ? nothing('search', 'None matches', 'Nothing that is recorded fits the filter.', button('Clear the filter', { onclick: () => ((this.search.value = ''), this.typed()) })) : nothing('search', 'Nothing is recorded yet', 'Every change is, with who made it and from where.'));
  }
}

export const audit = (ctx) => new Audit(ctx).node;
