// Change an instance: its sizes and its labels, which is all that its update takes.

import { h, setText } from '../dom.js';
import { get, post, put } from '../api.js';
import { bytes, parseSize, sizeText } from '../format.js';
import { loadImages, putInstance, store } from '../live.js';
import { formDialog } from './dialog.js';
import { flavorChoices } from './flavors.js';
import { field, input, pairRow, repeated, select } from './form.js';
import { quotaLeft } from './left.js';
import { refusal } from './state.js';
import { followOperation } from './toast.js';

const MIB = 2 ** 20;
const GIB = 2 ** 30;

/** What can be changed, as it is. */
const essence = (inst) => ({
  cores: inst.resources.cpu.cores,
  memory: inst.resources.memory.limit,
  disk: inst.resources.storage?.totalSpace ?? 0,
  labels: Object.entries(inst.labels ?? {}).sort(),
});
const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);

const imageOf = (inst) => [...store.images.values()].find((i) => i.kind === 'vm' && (i.name === inst.config.image || i.aliases.includes(inst.config.image)));
const leastMemory = (inst) => imageOf(inst)?.vm?.minMemoryBytes ?? 0;

/** When a change takes effect, and within which limits: for each size. */
function hints(inst) {
  const c = inst.config;
  const on = ['running', 'paused'].includes(inst.state);
  const least = leastMemory(inst) ? `At least ${bytes(leastMemory(inst))}. ` : '';
  const live = (most) => (on ? `More, up to ${most}, at once; anything else waits for its next start` : 'From its next start on');
  if (inst.type === 'vm') return { cpu: live(`${c.vcpusMax} cores`), memory: least + live(bytes(c.memoryMaxMiB * MIB)), disk: `It has ${bytes(inst.resources.storage?.totalSpace)}, and only grows` };
  const when = on ? 'At once' : 'From its next start on';
  return { cpu: when, memory: `${when}; such as 512M or 2G` };
}

function buildFields(inst) {
  const vm = inst.type === 'vm';
  const hint = hints(inst);
  const no = refusal('update', inst.state);
  const size = (label, path, note, props) => field(label, input({ spellcheck: 'false', disabled: Boolean(no), ...props }), { path, hint: note });
  const f = {
    cpu: size('CPU cores', 'resources.cpu', hint.cpu, { inputmode: 'decimal', autofocus: true }),
    memory: size('Memory', 'resources.memory', hint.memory),
    disk: vm ? size('Disk', 'resources.storage', hint.disk) : null,
    flavor: vm ? field('Size', select([['', 'Sizes of its own']], '', { disabled: Boolean(no) }), { path: 'flavor' }) : null,
    labels: repeated({ legend: 'Labels', path: 'labels metadata.labels', add: 'label', makeRow: pairRow('key', 'value', false), onchange: () => {} }),
  };
  f.nodes = [no ? h('p', { class: 'hint' }, `${no} Its labels can be changed now.`) : quotaLeft(), f.flavor, h('div', { class: 'pair' }, f.cpu, f.memory), f.disk, f.labels];
  return f;
}

function showSizes(f, was) {
  f.cpu.control.value = String(was.cores);
  f.memory.control.value = sizeText(was.memory);
  if (f.disk) f.disk.control.value = sizeText(was.disk);
}

function show(f, was) {
  showSizes(f, was);
  f.labels.clear();
  for (const label of was.labels) f.labels.addRow(label, false);
}

/** A flavor says all sizes: they are shown, and typed again when none is chosen. */
function followFlavor(f, was) {
  const known = new Map();
  const draw = () => {
    const chosen = known.get(f.flavor.control.value);
    for (const el of [f.cpu, f.memory, f.disk]) Object.assign(el.control, { disabled: Boolean(chosen) });
    showSizes(f, chosen ? { cores: chosen.vcpus, memory: chosen.ramGB * GIB, disk: Math.max(was().disk, chosen.diskGB * GIB) } : was());
  };
  f.flavor.control.addEventListener('change', draw);
  flavorChoices(f.flavor.control).then((all) => all.forEach((one) => known.set(one.name, one)), () => {});
}

function refuse(el, text) {
  throw Object.assign(new Error(text), { details: { field: el.dataset.path.split(' ')[0] } });
}

/** What somebody typed as a number; what was left as it was shown stays what it was, to the byte. */
function typed(el, was, shown, parse, text) {
  if (el.control.value.trim() === shown) return was;
  const n = parse(el.control.value.trim());
  return n > 0 ? n : refuse(el, text);
}

/** The sizes that differ from `was`. */
function sizes(f, inst, was) {
  const res = {};
  const cores = typed(f.cpu, was.cores, String(was.cores), Number, 'A number above 0.');
  const memory = typed(f.memory, was.memory, sizeText(was.memory), parseSize, 'A size such as 512M or 2G.');
  const disk = f.disk ? typed(f.disk, was.disk, sizeText(was.disk), parseSize, 'A size such as 20G.') : was.disk;
  if (memory < leastMemory(inst)) refuse(f.memory, `Its image needs at least ${bytes(leastMemory(inst))}.`);
  if (disk < was.disk) refuse(f.disk, `It has ${bytes(was.disk)}, and a disk only grows.`);
  if (cores !== was.cores) res.cpu = { cores };
  if (memory !== was.memory) res.memory = { limit: memory };
  if (disk !== was.disk) res.storage = { totalSpace: Math.ceil(disk / MIB) * MIB };
  return res;
}

/** The requests: what differs from `was`, and nothing else. Sizes by a flavor's name are one of their own. */
function changes(f, inst, was) {
  const flavor = f.flavor?.control.value;
  const res = flavor ? {} : sizes(f, inst, was);
  const labels = f.labels.read().map(({ key, value }) => [key, value]).sort();
  const body = { ...(Object.keys(res).length && { resources: res }), ...(!same(labels, was.labels) && { labels: Object.fromEntries(labels) }) };
  return [Object.keys(body).length && [put, '', body], flavor && [post, '/resize', { flavor }]].filter(Boolean);
}

/** It is done once, however often the network loses the answer. */
const once = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), (n) => n.toString(16).padStart(2, '0')).join('');

/** Sends it against the version that was looked at; the events keep that true, and a 412 reads it again. Throws when something
 *  that can be changed here was changed meanwhile. */
async function send(inst, was, [ask, verb, body]) {
  const path = `/compute/instances/${inst.id}`;
  for (let tries = 1; ; tries++) {
    const now = store.instances.get(inst.id) ?? inst;
    if (!same(essence(now), was)) throw Object.assign(new Error('It was changed meanwhile, by somebody else. What it has now is shown: change it again.'), { changed: essence(now) });
    try {
      return await ask(path + verb, body, { headers: { Prefer: 'wait=0', 'If-Match': `"${now.version}"`, 'Idempotency-Key': once() } });
    } catch (e) {
      if (e.status !== 412 || tries === 3) throw e;
      putInstance(await get(path));
    }
  }
}

export function openEdit(inst) {
  let was = essence(inst);
  const f = buildFields(inst);
  show(f, was);
  if (f.flavor) followFlavor(f, () => was);
  if (f.disk && !store.imagesLoaded) loadImages().then(() => setText(f.memory.querySelector('.hint'), hints(inst).memory), () => {});
  formDialog({ title: `Edit ${inst.name}`, fields: f.nodes, verb: 'Save', send: async () => {
    const requests = changes(f, inst, was);
    if (!requests.length) throw new Error('Nothing is different from what it has.');
    try {
      for (const request of requests) {
        const { data, operation } = await send(inst, was, request);
        putInstance(data);
        was = essence(data);
        if (operation || request === requests.at(-1)) followOperation(operation, operation ? `Updating ${inst.name}` : `${inst.name} updated`);
      }
    } catch (e) {
      if (e.changed) show(f, (was = e.changed));
      throw e;
    }
  } });
}
