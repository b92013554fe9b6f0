// Images: what instances are made from. Pull by reference, upload a tar, name, choose the default, delete.

import { button, fill, h, icon, reconcile, setBlocked, setText, uid } from '../dom.js';
import { del, post, put, upload } from '../api.js';
import { age, bytes, full, parseSize } from '../format.js';
import { loadImages, store } from '../live.js';
import { confirm, copyText, formDialog } from '../parts/dialog.js';
import { announce } from '../parts/announce.js';
import { field, input, select } from '../parts/form.js';
import { reading } from '../parts/reading.js';
import { fail, followOperation, toast } from '../parts/toast.js';
import { isAdmin } from '../parts/shell.js';
import { openCreate } from './create.js';

const mine = (image) => isAdmin() || !image.public || image.tenant === (store.session.tenant?.id ?? store.session.tenant);

// ── dialogs ────────────────────────────────────────────────────────────────────────────────────────

const words = (text) => text.split(/[\s,]+/).filter(Boolean);

function openPull() {
  const ref = field('Reference', input({ autofocus: true, placeholder: 'docker.io/library/nginx:alpine', spellcheck: 'false', autocapitalize: 'off' }), { path: 'reference', hint: 'Registry, path and tag or digest' });
  const name = field('Name', input({ spellcheck: 'false', autocapitalize: 'off' }), { path: 'name', hint: 'As instances will call it; left empty it follows from the reference' });
  formDialog({ title: 'Pull an image', fields: [ref, name], verb: 'Pull', send: async () => {
    const body = { reference: ref.control.value.trim() };
    if (name.control.value.trim()) body.name = name.control.value.trim();
    const { data, operation } = await post('/images', body);
    followOperation(operation ?? data?.operation?.id, `Pulling ${body.reference}`);
    await loadImages();
  } });
}

const STORED = 'Stored; the engine takes it over…';

function openUpload() {
  const kind = field('Kind', select([['container', 'Container: a tar, as “podman save” writes it'], ['vm', 'Virtual machine: a disk, qcow2 or raw']], 'container'), { path: 'kind' });
  const file = field('File', h('input', { type: 'file', accept: '.tar,.qcow2,.img,.raw,application/x-tar' }), { path: 'body file' });
  const disk = diskFields();
  const vm = () => kind.control.value === 'vm';
  const draw = () => (disk.el.hidden = !vm());
  const name = field('Name', input({ spellcheck: 'false', autocapitalize: 'off' }), { path: 'name' });
  const bar = h('progress', { max: '1', value: 0, hidden: true, 'aria-label': 'Upload' });
  const said = h('span', { class: 'quiet num' }); // the bar is what a screen reader asks how far it is
  let job = null;
  file.control.addEventListener('change', () => {
    const called = file.control.files[0]?.name ?? '';
    if (/\.(qcow2|img|raw)$/.test(called)) {
      kind.control.value = 'vm';
      disk.format.control.value = called.endsWith('.qcow2') ? 'qcow2' : 'raw';
    }
    draw();
    if (!name.control.value) name.control.value = called.replace(/\.(qcow2|img|raw|tar(\.\w+)?)$/, '').toLowerCase();
  });
  const send = async () => {
    const f = file.control.files[0];
    if (!f) throw Object.assign(new Error('Choose a file.'), { details: { field: 'file' } });
    bar.hidden = false;
    const query = new URLSearchParams({ name: name.control.value.trim(), kind: kind.control.value, ...(vm() ? disk.read() : {}) });
    job = upload(`/images/upload?${query}`, f, vm() ? 'application/octet-stream' : 'application/x-tar', (p) => {
      bar.value = p;
      setText(said, p < 1 ? `${Math.round(p * 100)} % of ${bytes(f.size)}` : STORED);
      if (p === 1) announce(STORED);
    });
    const { data, operation } = await job.done.finally(() => (bar.hidden = true));
    job = null;
    followOperation(operation ?? data?.operation?.id, `Importing ${name.control.value}`);
    await loadImages();
  };
  const dialog = formDialog({ title: 'Upload an image', fields: [file, kind, name, disk.el, bar, said], verb: 'Upload', send });
  kind.control.addEventListener('change', draw);
  draw();
  dialog.el.addEventListener('close', () => job?.abort());
}

/** What is said of a disk besides: for uploads and fetches. */
function diskFields() {
  const format = field('Format', select([['qcow2', 'qcow2'], ['raw', 'raw']], 'qcow2'), { path: 'format' });
  const sha = field('SHA-256', input({ spellcheck: 'false', autocapitalize: 'off', placeholder: 'checked when given' }), { path: 'sha256' });
  const memory = field('Least memory', input({ placeholder: '512M', spellcheck: 'false' }), { path: 'minMemoryBytes' });
  const user = field('Signs in as', input({ placeholder: 'debian', spellcheck: 'false', autocapitalize: 'off' }), { path: 'defaultUser' });
  const init = h('input', { type: 'checkbox', checked: true, id: uid('ci') });
  const el = h('div', { class: 'stack' }, h('div', { class: 'pair' }, format, memory), h('div', { class: 'pair' }, user, sha), h('p', { class: 'field check' }, init, h('label', { for: init.id }, 'It reads cloud-init data')));
  const read = () => ({ format: format.control.value, ...(sha.control.value.trim() ? { sha256: sha.control.value.trim() } : {}), ...(parseSize(memory.control.value) > 0 ? { minMemoryBytes: parseSize(memory.control.value) } : {}),
    ...(user.control.value.trim() ? { defaultUser: user.control.value.trim() } : {}), ...(init.checked ? {} : { cloudInit: false }) });
  return { el, read, format };
}

function openFetch() {
  const url = field('Address', input({ autofocus: true, type: 'url', placeholder: 'https://cloud.debian.org/…/debian-12-genericcloud-amd64.qcow2', spellcheck: 'false', autocapitalize: 'off' }), { path: 'url', hint: 'The host fetches it; only https, and only from the public Internet' });
  const name = field('Name', input({ spellcheck: 'false', autocapitalize: 'off' }), { path: 'name' });
  const disk = diskFields();
  let ours = '';
  url.control.addEventListener('input', () => {
    const file = url.control.value.split(/[?#]/)[0].split('/').pop() ?? '';
    if (name.control.value === ours) name.control.value = ours = file.replace(/\.(qcow2|img|raw)$/, '').toLowerCase();
    if (/\.(raw|img)$/.test(file)) disk.format.control.value = 'raw';
  });
  formDialog({ title: 'Fetch a virtual machine’s image', fields: [url, name, disk.el], verb: 'Fetch', send: async () => {
    const { data, operation } = await post('/images', { url: url.control.value.trim(), name: name.control.value.trim(), ...disk.read() });
    followOperation(operation ?? data?.operation?.id, `Fetching ${data.name}`);
    await loadImages();
  } });
}

function openEdit(image) {
  const aliases = field('Aliases', input({ value: (image.aliases ?? []).join(' '), autofocus: true, spellcheck: 'false', autocapitalize: 'off' }), { path: 'aliases', hint: 'Other names for it, apart by spaces' });
  const open = h('input', { type: 'checkbox', checked: image.public, id: 'image-public' });
  const shared = h('p', { class: 'field check' }, open, h('label', { for: open.id }, 'Every tenant may use it'));
  formDialog({ title: `Change ${image.name}`, fields: [aliases, isAdmin() ? shared : null], verb: 'Save', send: async () => {
    await put(`/images/${image.id}`, { aliases: words(aliases.control.value), ...(isAdmin() && open.checked !== image.public ? { public: open.checked } : {}) });
    toast('good', `${image.name} saved`);
    await loadImages();
  } });
}

async function makeDefault(image) {
  try {
    await put(`/images/${image.id}`, { default: true });
    toast('good', `${image.name} is the default now`);
    await loadImages();
  } catch (e) {
    fail('The default was not changed', e);
  }
}

async function removeImage(image) {
  const yes = await confirm({ title: `Delete ${image.name}?`, text: ['Instances that exist keep running; new ones cannot be made from it.'], verb: 'Delete' });
  if (!yes) return;
  try {
    const { operation } = await del(`/images/${image.id}`);
    if (operation) followOperation(operation, `Deleting ${image.name}`);
    else toast('good', `${image.name} deleted`);
    await loadImages();
  } catch (e) {
    fail(`${image.name} was not deleted`, e);
  }
}

// ── the list ───────────────────────────────────────────────────────────────────────────────────────

const TONE = { ready: 'good', pulling: 'busy', error: 'bad' };
const SOURCE = { built: 'built here', pull: 'pulled', upload: 'uploaded' };

function progressOf(image) {
  const op = [...store.operations.values()].find((o) => (o.image?.id ?? o.image) === image.id && (o.status === 'running' || o.status === 'queued'));
  if (!op) return null;
  const bar = h('progress', { max: '1', 'aria-label': `Progress of ${image.name}` });
  if (typeof op.progress === 'number') bar.value = op.progress;
  return [bar, h('span', { class: 'why' }, op.step ?? '')];
}

function star(image) {
  const btn = button(`Make the default: ${image.name}`, { icon: 'star', iconOnly: true, kind: 'ghost', onclick: () => !btn.dataset.blocked && makeDefault(image) });
  setBlocked(btn, image.default ? `${image.name} is the default already.` : null);
  return btn;
}

const SHOWN = 3; // other names in the list; all of them in the dialog

function aliases({ aliases: names = [] }) {
  const rest = names.slice(names.length > SHOWN + 1 ? SHOWN : SHOWN + 1);
  return [...names.slice(0, names.length - rest.length).map((a) => h('span', { class: 'chip' }, a)), rest.length ? h('span', { class: 'chip', title: rest.join(', ') }, `and ${rest.length} more`) : null];
}

function cells(image) {
  const cell = (cls, word, ...kids) => h('td', { role: 'cell', class: cls, dataset: { word } }, kids);
  const act = (label, ic, fn) => button(`${label} ${image.name}`, { icon: ic, iconOnly: true, kind: 'ghost', onclick: fn });
  const can = mine(image);
  return [
    cell('c-name', '', h('div', { class: 'name-line' }, icon(image.kind === 'vm' ? 'vm' : 'box', image.kind === 'vm' ? 'Of virtual machines' : 'Of containers'), h('strong', { class: 'name' }, image.name), image.default ? h('span', { class: 'chip accent' }, 'default') : null, image.public ? h('span', { class: 'chip', title: 'Every tenant may use it' }, 'public') : null, aliases(image))),
    cell('c-state', '', h('span', { class: 'state', dataset: { tone: TONE[image.state] ?? 'busy' } }, h('span', { class: 'dot', 'aria-hidden': 'true' }), h('span', { class: 'word' }, image.state)), image.error ? h('span', { class: 'why', title: image.error }, image.error) : progressOf(image)),
    cell('c-source', 'Source', SOURCE[image.source] ?? image.source),
    cell('c-ref mono', 'Reference', image.reference ? h('span', { class: 'clip', title: image.reference }, image.reference) : '–'),
    cell('c-digest mono', 'Digest', image.digest ? copyText(image.digest.replace('sha256:', '').slice(0, 12)) : '–'),
    cell('num', 'Size', image.sizeBytes ? bytes(image.sizeBytes) : '–'),
    cell('num c-age', 'Age', h('time', { dateTime: image.createdAt, title: full(image.createdAt) }, age(image.createdAt))),
    cell('c-acts', '', image.state === 'ready' ? act('Create an instance from', 'plus', () => openCreate({ image: image.name, kind: image.kind ?? 'container' })) : null, can && image.state === 'ready' ? star(image) : null,
      can ? act('Change', 'edit', () => openEdit(image)) : null, can ? act('Delete', 'trash', () => removeImage(image)) : null),
  ];
}

const HEAD = { Source: 'c-source', Digest: 'c-digest', Size: 'num', Age: 'num', '': 'c-acts' }; // word → class, as the cells have it

export default function images(ctx) {
  const body = h('tbody', { role: 'rowgroup' });
  const head = ['Name', 'State', 'Source', 'Reference', 'Digest', 'Size', 'Age', ''].map((w) => h('th', { role: 'columnheader', scope: 'col', class: HEAD[w] ?? '' }, w || h('span', { class: 'sr-only' }, 'Actions')));
  const table = h('table', { class: 'list cards-small images', role: 'table', 'aria-label': 'Images' }, h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, head)), body);
  const empty = h('div', { class: 'empty' }, icon('box'), h('h2', null, 'No images'), h('p', null, 'Pull one from a registry, or upload one as a tar file.'), button('Pull an image', { icon: 'download', kind: 'primary', onclick: openPull }));
  const count = h('span', { class: 'quiet count' });
  const nodes = new Map();
  const draw = () => {
    const list = [...store.images.values()].sort((a, b) => Number(b.default) - Number(a.default) || a.name.localeCompare(b.name));
    const key = (i) => JSON.stringify([i, [...store.operations.values()].filter((o) => (o.image?.id ?? o.image) === i.id).map((o) => [o.step, o.progress, o.status])]);
    reconcile(body, nodes, list, (i) => i.id, (i) => Object.assign(h('tr', { role: 'row' }, cells(i)), { key: key(i) }), (tr, i) => {
      if (tr.key === key(i)) return;
      tr.key = key(i);
      fill(tr, cells(i));
    });
    table.hidden = !list.length;
    setText(count, list.length ? String(list.length) : '');
    empty.hidden = !store.imagesLoaded || list.length > 0;
  };
  ctx.on('images', draw);
  ctx.on('operation', (id) => store.operations.get(id)?.kind.startsWith('image.') && draw());
  const { el, load } = reading({ what: 'The images', read: loadImages, waiting: store.imagesLoaded ? '' : 'Loading…' });
  load();
  draw();
  return { title: 'Images', node: h('div', { class: 'page' }, h('div', { class: 'page-head' }, h('h1', null, 'Images'), count, button('Upload', { icon: 'upload', onclick: openUpload }), button('Fetch a disk', { icon: 'globe', onclick: openFetch }), button('Pull image', { icon: 'download', kind: 'primary', onclick: openPull })), el, table, empty) };
}
