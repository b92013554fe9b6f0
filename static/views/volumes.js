// Volumes, disks that outlive instances, and the tenant's own networks: two pages of one make.

import { button, fill, h, icon } from '../dom.js';
import { del, get, post, put } from '../api.js';
import { bytes, parseSize } from '../format.js';
import { store } from '../live.js';
import { confirm, formDialog } from '../parts/dialog.js';
import { field, input, select } from '../parts/form.js';
import { reading } from '../parts/reading.js';
import { act, cell, row, table, when } from '../parts/table.js';
import { fail, followOperation, toast } from '../parts/toast.js';

const TONE = { ready: 'good', creating: 'busy', deleting: 'busy', error: 'bad' };

const text = (label, path, hint, opts = {}) => field(label, input({ spellcheck: 'false', autocapitalize: 'off', ...opts }), { path, hint });

/** A change with its operation followed to the end. */
async function send(ask, doing, done) {
  const { data, operation } = await ask();
  if (operation) followOperation(operation, doing, done);
  else toast('good', done);
  return data;
}

async function remove(path, title, lines) {
  if (!(await confirm({ title: `Delete ${title}?`, text: lines, verb: 'Delete' }))) return;
  try {
    await send(() => del(path), `Deleting ${title}`, `${title} deleted`);
  } catch (e) {
    fail(`${title} was not deleted`, e);
  }
}

const instanceNames = () => [...store.instances.values()].map((i) => i.name).sort();

/** Which instance, and for a volume where in it. */
function openAttach(path, thing, volume) {
  const names = instanceNames();
  const who = field('Instance', select(names.map((n) => [n, n]), names[0] ?? ''), { path: 'instance' });
  const where = volume ? text('Path', 'path', 'In a container; a virtual machine gets a disk', { placeholder: `/mnt/${thing.name}` }) : null;
  const only = volume ? h('input', { type: 'checkbox', id: 'attach-ro' }) : null;
  formDialog({ title: `Attach ${thing.name}`, verb: 'Attach', fields: [who, where, volume && h('p', { class: 'field check' }, only, h('label', { for: 'attach-ro' }, 'It can only be read there'))], send: async () => {
    const body = { instance: who.control.value };
    if (where?.control.value.trim()) body.path = where.control.value.trim();
    if (only?.checked) body.readOnly = true;
    await send(() => post(`${path}/${thing.id}/attach`, body), `Attaching ${thing.name} to ${body.instance}`, `${thing.name} is attached to ${body.instance}`);
  } });
}

async function detach(path, thing, at) {
  try {
    await send(() => post(`${path}/${thing.id}/detach`, { instance: at.instance }), `Detaching ${thing.name} from ${at.instanceName}`, `${thing.name} is detached from ${at.instanceName}`);
  } catch (e) {
    fail(`${thing.name} was not detached`, e);
  }
}

const attachments = (path, thing, what) => (thing.attachments.length ? h('span', { class: 'facts' }, thing.attachments.map((a) => h('span', { class: 'chip attached' }, h('a', { href: `#/instances/${a.instance}` }, a.instanceName), what(a) ? ` ${what(a)}` : '', a.readOnly ? ' (read only)' : '',
  button(`Detach ${thing.name} from ${a.instanceName}`, { icon: 'x', iconOnly: true, kind: 'ghost', onclick: () => detach(path, thing, a) })))) : h('span', { class: 'quiet' }, 'nothing'));

/** A page that reads `path` again whenever an event of `family` tells of a change. */
function page(ctx, { title, family, path, heads, cells, empty, verb, open }) {
  const listed = h('div', null);
  const count = h('span', { class: 'quiet count' });
  let timer = 0;
  const draw = (list) => {
    count.textContent = list.length || '';
    fill(listed, list.length ? table(title, heads, list.map((x) => row(...cells(x)))) : h('div', { class: 'empty' }, icon(empty.icon), h('h2', null, empty.title), h('p', null, empty.text), button(verb, { icon: 'plus', kind: 'primary', onclick: open })));
  };
  const { el, load } = reading({ what: `The ${title.toLowerCase()}`, read: async () => (await get(`${path}?pageSize=500`))[`${family}s`], draw });
  const soon = () => (clearTimeout(timer), (timer = setTimeout(load, 120)));
  ctx.on('event', (ev) => ev.kind.startsWith(`${family}.`) && soon());
  ctx.on('gone', load);
  ctx.dispose(() => clearTimeout(timer));
  load();
  return { title, node: h('div', { class: 'page' }, h('div', { class: 'page-head' }, h('h1', null, title), count, h('span', { class: 'grow' }), button(verb, { icon: 'plus', kind: 'primary', onclick: open })), el, listed) };
}

// ── volumes ────────────────────────────────────────────────────────────────────────────────────────

function sizeOf(control) {
  const size = parseSize(control.value);
  if (!(size > 0)) throw Object.assign(new Error('That is no size; for example 10G.'), { details: { field: 'size' } });
  return Math.ceil(size / 4096) * 4096;
}

function openVolume() {
  const name = text('Name', 'name', 'Letters, digits and hyphens', { autofocus: true });
  const size = text('Size', 'size', 'A hard limit; the disk of the host is taken as it fills', { value: '1G' });
  const kind = field('Kind', select([['', 'As its first instance needs it'], ['filesystem', 'Containers: a file system'], ['block', 'A virtual machine: a raw disk']], ''), { path: 'kind' });
  formDialog({ title: 'Create a volume', fields: [name, size, kind], verb: 'Create', send: () => send(() => post('/volumes', { name: name.control.value.trim(), size: sizeOf(size.control), ...(kind.control.value ? { kind: kind.control.value } : {}) }), `Creating ${name.control.value.trim()}`, `${name.control.value.trim()} created`) });
}

function openGrow(v) {
  const size = text('New size', 'size', `It has ${bytes(v.sizeBytes)}; nothing that has it may run meanwhile`, { autofocus: true });
  formDialog({ title: `Grow ${v.name}`, fields: [size], verb: 'Grow', send: () => send(() => put(`/volumes/${v.id}`, { size: sizeOf(size.control) }), `Growing ${v.name}`, `${v.name} has grown`) });
}

const KIND = { filesystem: 'file system', block: 'raw disk' };

export const volumes = (ctx) => page(ctx, {
  title: 'Volumes',
  family: 'volume',
  path: '/volumes',
  heads: ['Name', 'State', 'Size', 'Kind', 'Attached to', 'Created', ''],
  verb: 'Create volume',
  open: openVolume,
  empty: { icon: 'disk', title: 'No volumes', text: 'A volume keeps what is written to it when its instance is deleted.' },
  cells: (v) => [
    cell('Name', h('strong', { class: 'name' }, v.name)),
    cell('State', h('span', { class: 'state', dataset: { tone: TONE[v.state] ?? 'busy' } }, h('span', { class: 'dot', 'aria-hidden': 'true' }), h('span', { class: 'word' }, v.state)), v.error ? h('span', { class: 'why' }, v.error) : null),
    cell('Size', bytes(v.sizeBytes)),
    cell('Kind', KIND[v.kind] ?? 'not yet decided'),
    cell('Attached to', attachments('/volumes', v, (a) => a.path ?? '')),
    cell('Created', when(v.createdAt)),
    cell('', act(`Attach ${v.name}`, 'attach', () => openAttach('/volumes', v, true)), act(`Grow ${v.name}`, 'edit', () => openGrow(v)), act(`Delete ${v.name}`, 'trash', () => remove(`/volumes/${v.id}`, v.name, ['What is in it is lost.']))),
  ],
});

// ── networks ───────────────────────────────────────────────────────────────────────────────────────

function openNetwork() {
  const name = text('Name', 'name', 'Letters, digits and hyphens', { autofocus: true });
  const cidr = text('Range', 'cidr', 'Any IPv4 range from /8 to /29', { value: '10.0.1.0/24' });
  formDialog({ title: 'Create a network', fields: [name, cidr], verb: 'Create', send: () => send(() => post('/networks', { name: name.control.value.trim(), cidr: cidr.control.value.trim() }), `Creating ${name.control.value.trim()}`, `${name.control.value.trim()} created`) });
}

export const networks = (ctx) => page(ctx, {
  title: 'Networks',
  family: 'network',
  path: '/networks',
  heads: ['Name', 'Range', 'Attached to', 'Created', ''],
  verb: 'Create network',
  open: openNetwork,
  empty: { icon: 'network', title: 'No networks of your own', text: 'Every tenant has one network already. Another one joins instances in a range of your choice, with no way to anything else.' },
  cells: (n) => [
    cell('Name', h('strong', { class: 'name' }, n.name)),
    cell('Range', n.cidr),
    cell('Attached to', attachments('/networks', n, (a) => a.address)),
    cell('Created', when(n.createdAt)),
    cell('', act(`Attach ${n.name}`, 'attach', () => openAttach('/networks', n, false)), act(`Delete ${n.name}`, 'trash', () => remove(`/networks/${n.id}`, n.name, ['Nothing may be on it.']))),
  ],
});
