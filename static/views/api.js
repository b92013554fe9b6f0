// The API as it describes itself at /api/openapi.json: every route by subject, with what it takes and answers.

import { button, fill, h, icon, setText } from '../dom.js';
import { get } from '../api.js';
import { setQuery } from '../router.js';
import { reading } from '../parts/reading.js';

const last = (ref) => ref.split('/').pop();
const follow = (doc, node) => (node?.$ref ? node.$ref.slice(2).split('/').reduce((at, key) => at[key], doc) : node);

/** A schema as one reads it: {name: string, size?: integer}. Named ones by name, but the first. */
function words(schema, indent = '') {
  if (schema.$ref) return last(schema.$ref);
  if (schema.anyOf) return schema.anyOf.map((s) => words(s, indent)).join(' | ');
  if (schema.enum) return schema.enum.map((v) => JSON.stringify(v)).join(' | ') + (schema.type?.includes?.('null') && Array.isArray(schema.type) ? ' | null' : '');
  const type = [schema.type ?? 'any'].flat();
  const none = type.includes('null') ? ' | null' : '';
  if (type.includes('array')) return `[${schema.items ? words(schema.items, indent) : 'any'}]${none}`;
  if (!schema.properties) return type.join(' | ');
  const deeper = indent + '  ';
  const lines = Object.entries(schema.properties).map(([name, s]) => `${deeper}${name}${schema.required?.includes(name) ? '' : '?'}: ${words(s, deeper)}`);
  return lines.length ? `{\n${lines.join(',\n')}\n${indent}}${none}` : `{}${none}`;
}

const shape = (doc, schema, label) => h('pre', { tabindex: '0', 'aria-label': label }, words(follow(doc, schema)));

function parameters(doc, op) {
  const list = (op.parameters ?? []).map((p) => follow(doc, p));
  if (!list.length) return null;
  return [h('h3', null, 'Parameters'), h('dl', null, list.map((p) => [h('dt', null, h('code', null, p.name), ` ${p.in}`), h('dd', null, p.description ?? 'A part of the path.', p.schema && words(p.schema) !== 'string' ? [' ', h('code', null, words(p.schema))] : null)]))];
}

function answers(doc, op, where) {
  return Object.entries(op.responses).map(([status, a]) => {
    const kinds = Object.entries(a.content ?? {});
    const error = status === 'default';
    const head = h('h3', null, error ? 'Any error' : status, kinds.length ? ` ${kinds.map(([kind]) => kind).join(', ')}` : ` ${a.description}`);
    const schema = kinds.find(([, c]) => c.schema?.$ref)?.[1].schema;
    return [head, schema ? shape(doc, schema, `${where} answers ${status}`) : null];
  });
}

function operation(doc, path, method, op) {
  const where = `${method.toUpperCase()} ${path}`;
  const body = op.requestBody?.content?.['application/json']?.schema;
  const inside = h('div', { class: 'api-inside' });
  const details = h('details', { class: 'api-op', ontoggle: () => {
    if (!details.open || inside.firstChild) return; // built when it is first wanted
    fill(inside, h('p', null, `For ${op['x-permission']}.`), parameters(doc, op), body ? [h('h3', null, op.requestBody.required ? 'Body' : 'Body, if any'), shape(doc, body, `${where} takes`)] : null, answers(doc, op, where));
  } }, h('summary', null, h('strong', { class: 'mono api-method', dataset: { method } }, method.toUpperCase()), ' ', h('code', null, path), h('span', { class: 'api-doc' }, op.summary)), inside);
  details.words = `${method} ${path} ${op.summary}`.toLowerCase();
  return details;
}

function byTag(doc) {
  const tags = new Map();
  for (const [path, item] of Object.entries(doc.paths))
    for (const [method, op] of Object.entries(item)) {
      const tag = op.tags[0];
      if (!tags.has(tag)) tags.set(tag, []);
      tags.get(tag).push([path, method, op]);
    }
  return [...tags].sort(([a], [b]) => a.localeCompare(b));
}

const title = (tag) => tag[0].toUpperCase() + tag.slice(1).replaceAll('-', ' ');

/** Sections by subject; a filter leaves what fits, and sections that are empty then go. */
function contents(doc, count, empty) {
  const sections = byTag(doc).map(([tag, some]) => {
    const ops = some.map(([path, method, op]) => operation(doc, path, method, op));
    return { ops, el: h('section', null, h('h2', null, title(tag)), ops) };
  });
  const all = sections.reduce((n, s) => n + s.ops.length, 0);
  const filter = (q) => {
    const words = q.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { ops, el } of sections) {
      for (const op of ops) op.hidden = !words.every((w) => op.words.includes(w));
      const fitting = ops.filter((op) => !op.hidden).length;
      el.hidden = !fitting;
      shown += fitting;
    }
    setText(count, shown === all ? `${all} routes` : `${shown} of ${all} routes`);
    empty.hidden = shown > 0;
  };
  return { nodes: sections.map((s) => s.el), filter };
}

export default function api(ctx) {
  const list = h('div', { class: 'api-list' });
  const count = h('span', { class: 'quiet count num', role: 'status' });
  let filter = () => {};
  const clear = () => {
    search.value = '';
    typed();
    search.focus();
  };
  const empty = h('div', { class: 'empty slim', hidden: true }, icon('search'), h('h2', null, 'No such route'), button('Clear the filter', { onclick: clear }));
  const search = h('input', { type: 'search', value: ctx.query.get('q') ?? '', placeholder: 'Filter', 'aria-label': 'Filter by method, path or what it does', title: 'Press / to come here', dataset: { search: '1' }, oninput: () => typed(), onkeydown: (e) => e.key === 'Escape' && search.value && clear() });
  const typed = () => {
    setQuery({ q: search.value.trim() });
    filter(search.value);
  };
  const { el, load } = reading({ what: 'The description', read: () => get('/api/openapi.json', { base: '' }), draw: (doc) => {
    const made = contents(doc, count, empty);
    filter = made.filter;
    fill(list, made.nodes);
    filter(search.value);
  } });
  const node = h('div', { class: 'page' }, h('div', { class: 'page-head' }, h('h1', null, 'API'), count),
    h('p', { class: 'lead' }, 'Everything this dashboard does, a program can do with a token. The same as ', h('a', { href: '/api/openapi.json' }, 'OpenAPI 3.1'), '. Tokens are made in the ', h('a', { href: '#/settings/tokens' }, 'settings'), '.'),
    h('div', { class: 'tools', role: 'search' }, h('span', { class: 'search' }, icon('search'), search)), el, list, empty);
  load();
  return { title: 'API', node };
}
