// Every web address of the tenant, and where it leads.

import { button, fill, h, icon } from '../dom.js';
import { all } from '../api.js';
import { store } from '../live.js';
import { copyButton } from '../parts/dialog.js';
import { reading } from '../parts/reading.js';
import { setState, stateBadge } from '../parts/state.js';
import { ACCESS, removeRule } from './instance-ingress.js';

/** The overview's rules name their instance; in older answers only the instances' own lists do. */
function instanceOf(rule) {
  const id = rule.instance?.id ?? rule.instance ?? rule.instanceId;
  if (id && store.instances.has(id)) return store.instances.get(id);
  return [...store.instances.values()].find((i) => (i.ingress ?? []).some((r) => r.host === rule.host));
}

function ruleRow(rule) {
  const inst = instanceOf(rule);
  const badge = inst ? stateBadge(inst.state) : null;
  if (badge) setState(badge, inst.state, inst.status);
  const cell = (cls, word, ...kids) => h('td', { role: 'cell', class: cls, dataset: { word } }, kids);
  return h('tr', { role: 'row' }, cell('c-name', '', icon('globe'), h('a', { class: 'ext', href: rule.url, target: '_blank', rel: 'noopener' }, new URL(rule.url).host)),
    cell('', 'Instance', inst ? h('a', { href: `#/instances/${inst.id}/ingress` }, inst.name) : '–'), cell('c-state', '', badge ?? '–'), cell('num', 'Port inside', String(rule.targetPort)), cell('', 'Open to', ACCESS[rule.access] ?? rule.access),
    cell('c-acts', '', copyButton(rule.url), inst ? button(`Remove ${rule.host}`, { icon: 'trash', iconOnly: true, kind: 'ghost', onclick: () => removeRule(inst, rule) }) : null));
}

export default function ingress(ctx) {
  const body = h('tbody', { role: 'rowgroup' });
  const head = ['Web address', 'Instance', 'State', 'Port inside', 'Open to', ''].map((w) => h('th', { role: 'columnheader', scope: 'col', class: w === 'Port inside' ? 'num' : '' }, w || h('span', { class: 'sr-only' }, 'Actions')));
  const table = h('table', { class: 'list cards-small', role: 'table', 'aria-label': 'Web addresses' }, h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, head)), body);
  const empty = h('div', { class: 'empty', hidden: true }, icon('globe'), h('h2', null, 'Nothing is published'), h('p', null, 'Open an instance, and publish the port its web server listens on under “Ingress”.'), h('a', { class: 'btn primary', href: '#/instances' }, 'To the instances'));
  const count = h('span', { class: 'quiet count' });
  let rules = null;
  const draw = () => {
    if (!rules) return;
    fill(body, rules.map(ruleRow));
    table.hidden = !rules.length;
    empty.hidden = rules.length > 0;
    count.textContent = rules.length ? String(rules.length) : '';
  };
  const { el, load } = reading({ what: 'The web addresses', read: () => all('/ingress', 'ingress'), draw: ({ items }) => {
    rules = items.sort((a, b) => a.host.localeCompare(b.host));
    draw();
  } });
  let frame = 0;
  const later = () => (frame ||= requestAnimationFrame(() => ((frame = 0), draw())));
  ctx.on('ingress', load);
  ctx.on('gone', load);
  ctx.on('instance', later);
  ctx.on('instances', later);
  ctx.dispose(() => cancelAnimationFrame(frame));
  load();
  table.hidden = true;
  return { title: 'Ingress', node: h('div', { class: 'page' }, h('div', { class: 'page-head' }, h('h1', null, 'Ingress'), count), el, table, empty) };
}
