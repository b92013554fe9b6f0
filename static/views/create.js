// Create an instance. Everything but the name has a default; the same request stands beside it as curl and `lodge`.

import { button, h, setText } from '../dom.js';
import { get, post } from '../api.js';
import { parseSize, shell, splitWords } from '../format.js';
import { loadImages, putInstance, store } from '../live.js';
import { go } from '../router.js';
import { copy, openDialog } from '../parts/dialog.js';
import { flavorChoices } from '../parts/flavors.js';
import { quotaLeft } from '../parts/left.js';
import { clearErrors, field, formError, input, pairRow, repeated, select, showError } from '../parts/form.js';
import { fail, followOperation } from '../parts/toast.js';
import { diskRow, vmImages, vmPart } from './create-vm.js';

const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;
const OTHER = ' '; // no image's name: one that is not in the catalogue
const DEFAULT_PORT = 80; // where the base image's web server listens

const appUrl = (name) => {
  const s = store.session;
  const port = s.appsPort && s.appsPort !== 443 ? `:${s.appsPort}` : '';
  return `https://${name}.${s.appsDomain}${port}/`;
};

function imageOptions(kind) {
  if (kind === 'vm') return vmImages().map((i) => [i.name, i.default ? `${i.name} (default)` : i.name]);
  const ready = [...store.images.values()].filter((i) => i.state === 'ready' && (i.kind ?? 'container') === 'container');
  ready.sort((a, b) => Number(b.default) - Number(a.default) || a.name.localeCompare(b.name));
  return ready.map((i) => [i.name, i.default ? `${i.name} (default)` : i.name]);
}

function portRow() {
  const from = input({ 'aria-label': 'Port on the host', placeholder: 'host', inputmode: 'numeric' });
  const to = input({ 'aria-label': 'Port in the instance', placeholder: 'inside', inputmode: 'numeric' });
  const proto = select([['tcp', 'tcp'], ['udp', 'udp']], 'tcp', { 'aria-label': 'Protocol' });
  const read = () => (from.value || to.value ? `${from.value.trim()}:${to.value.trim()}${proto.value === 'udp' ? '/udp' : ''}` : null);
  return { nodes: [from, h('span', { 'aria-hidden': 'true' }, '→'), to, proto], first: from, read };
}

function volumeRow() {
  const name = input({ 'aria-label': 'Volume', placeholder: 'data', spellcheck: 'false', autocapitalize: 'off' });
  const path = input({ 'aria-label': 'Path in the container', placeholder: '/data', spellcheck: 'false', autocapitalize: 'off' });
  const read = () => (name.value || path.value ? `${name.value.trim()}:${path.value.trim()}` : null);
  return { nodes: [name, h('span', { 'aria-hidden': 'true' }, '→'), path], first: name, read };
}

/** The tenant's own networks, once the server has told of them; without any the field is not shown. */
function networkField() {
  const f = field('Further network', select([['', 'none']], ''), { path: 'config.networks', hint: 'Beside the one that every instance is on' });
  f.hidden = true;
  get('/networks?pageSize=500').then(({ networks }) => {
    f.hidden = !networks.length;
    for (const n of networks) f.control.append(h('option', { value: n.name }, `${n.name} (${n.cidr})`));
  }, () => {});
  return f;
}

// ── what the form says, as a request ───────────────────────────────────────────────────────────────

const isVm = (f) => f.kind.value === 'vm';
const referred = (f) => f.image.control.value === OTHER;
const imageOf = (f) => (referred(f) ? f.reference.control.value.trim() : f.image.control.value);
const flavored = (f) => f.flavor.control.value !== '';

function requestOf(f) {
  const body = { name: f.name.control.value.trim(), config: {}, resources: { cpu: { cores: Number(f.cpu.control.value) }, memory: { limit: parseSize(f.memory.control.value) } } };
  if (imageOf(f)) body.config.image = imageOf(f);
  const words = splitWords(f.command.control.value);
  if (words.length) body.config.command = words;
  const env = f.env.read();
  const plain = env.filter((e) => !e.secret).map((e) => `${e.key}=${e.value}`);
  const secret = env.filter((e) => e.secret).map((e) => `${e.key}=${e.value}`);
  if (plain.length) body.config.env = plain;
  if (secret.length) body.config.secretEnv = secret;
  const ports = f.ports.read();
  if (ports.length) body.config.ports = ports;
  if (f.space.control.value.trim()) body.resources.storage = { totalSpace: parseSize(f.space.control.value) };
  const volumes = f.volumes.read();
  if (volumes.length && !isVm(f)) body.config.volumes = volumes;
  if (f.network.control.value) body.config.networks = [f.network.control.value];
  if (f.restart.control.value !== 'no') body.config.restartPolicy = f.restart.control.value;
  if (isVm(f)) {
    const { image, networks } = body.config;
    const disks = f.disks.read();
    body.config = { ...(image && { image }), ...(networks && { networks }), ...(disks.length && { volumes: disks }) };
    f.vm.read(body);
  }
  if (flavored(f)) {
    body.flavor = f.flavor.control.value;
    delete body.resources;
  }
  const labels = f.labels.read();
  if (labels.length) body.labels = Object.fromEntries(labels.map((l) => [l.key, l.value]));
  if (!f.start.checked) body.start = false;
  const ingress = f.publish.checked && !f.publish.closest('[hidden]') ? { port: 443, targetPort: Number(f.target.control.value) } : null;
  return { body, ingress };
}

function masked(body) {
  if (!body.config.secretEnv) return body;
  return { ...body, config: { ...body.config, secretEnv: body.config.secretEnv.map((kv) => kv.split('=')[0] + '=…') } };
}

function asCurl({ body, ingress }) {
  const api = `${location.origin}/api/v1/compute/instances`;
  const call = (url, json) => `curl -X POST ${url} \\\n  -H "Authorization: Bearer $LODGE_TOKEN" \\\n  --json ${shell(JSON.stringify(json, null, 1).replace(/\n\s*/g, ' '))}`;
  const first = call(api, masked(body));
  return ingress ? `${first}\n\n${call(`${api}/<id>/ingress`, ingress)}` : first;
}

function asCommand({ body, ingress }) {
  const c = body.config;
  const words = ['lodge', 'instance', 'create', body.name || '<name>'];
  const flag = (name, ...values) => values.forEach((v) => words.push(`--${name}`, shell(String(v))));
  if (c.image) flag('image', c.image);
  if (body.type) flag('type', body.type);
  if (body.flavor) flag('flavor', body.flavor);
  if (body.resources) {
    flag('cpus', body.resources.cpu.cores);
    flag('memory', body.resources.memory.limit / 2 ** 20 + 'M');
    if (body.resources.storage) flag('disk', body.resources.storage.totalSpace / 2 ** 20 + 'M');
  }
  if (c.diskFormat) flag('disk-format', c.diskFormat);
  if (c.firmware) flag('firmware', c.firmware);
  if (c.sshKeys) flag('ssh-key', 'key.pub');
  if (c.cloudInit) flag('user-data', 'user-data.yaml');
  flag('env', ...(c.env ?? []));
  flag('secret-env', ...(masked(body).config.secretEnv ?? []));
  flag('publish', ...(c.ports ?? []));
  flag('volume', ...(c.volumes ?? []));
  flag('nic', ...(c.networks ?? []));
  if (c.restartPolicy) flag('restart', c.restartPolicy);
  flag('label', ...Object.entries(body.labels ?? {}).map(([k, v]) => `${k}=${v}`));
  if (ingress) flag('ingress', ingress.targetPort);
  if (body.start === false) words.push('--no-start');
  if (c.command) words.push('--', ...c.command.map(shell));
  return words.join(' ');
}

// ── the form ───────────────────────────────────────────────────────────────────────────────────────

function buildFields(onchange) {
  const f = {};
  f.name = field('Name', input({ name: 'name', autofocus: true, autocapitalize: 'off', spellcheck: 'false', maxlength: '63' }), { path: 'name', hint: 'Small letters, digits and hyphens' });
  f.kind = select([['container', 'Container'], ['vm', 'Virtual machine']], 'container', { 'aria-label': 'Kind' });
  f.kindField = field('Kind', f.kind, { path: 'type backend' });
  f.flavor = field('Size', select([['', 'My own sizes']], ''), { path: 'flavor' });
  flavorChoices(f.flavor.control).then(onchange, () => {}); // without them one says the sizes
  f.vm = vmPart(onchange, () => flavored(f));
  f.image = field('Image', h('select', { name: 'image' }), { path: 'config.image image' });
  f.imageNote = h('span', { class: 'hint' });
  f.image.append(f.imageNote);
  f.reference = field('Image reference', input({ spellcheck: 'false', autocapitalize: 'off', placeholder: 'docker.io/library/nginx:alpine' }), { hint: 'Registry, path and tag or digest; fetched when it is not there' });
  f.cpu = field('CPU cores', input({ type: 'number', min: '0.1', max: '64', step: '0.1', value: '1' }), { path: 'resources.cpu' });
  f.memory = field('Memory', input({ value: '256M', spellcheck: 'false' }), { path: 'resources.memory', hint: 'Such as 512M or 2G' });
  f.publish = h('input', { type: 'checkbox', checked: true, id: 'create-publish' });
  f.target = field('Port it listens on', input({ type: 'number', min: '1', max: '65535', value: String(DEFAULT_PORT) }), { path: 'targetPort target_port port', cls: 'target' });
  f.url = h('span', { class: 'hint url' });
  f.command = field('Command', input({ spellcheck: 'false', autocapitalize: 'off', placeholder: 'as the image says' }), { path: 'config.command' });
  f.restart = field('Restart policy', select([['no', 'Do not restart'], ['on-failure', 'When it fails'], ['unless-stopped', 'Unless stopped'], ['always', 'Always']], 'no'), { path: 'config.restartPolicy' });
  f.space = field('Disk space', input({ spellcheck: 'false', placeholder: 'no limit' }), { path: 'resources.storage', hint: 'For what it writes outside volumes, such as 10G' });
  f.env = repeated({ legend: 'Environment', path: 'config.env config.secretEnv', add: 'variable', makeRow: pairRow('NAME', 'value', true), onchange });
  f.ports = repeated({ legend: 'Published ports', path: 'config.ports', add: 'port', makeRow: portRow, onchange, hint: 'For what is not a web page' });
  f.volumes = repeated({ legend: 'Volumes', path: 'config.volumes', add: 'volume', makeRow: volumeRow, onchange, hint: 'Kept when the instance is deleted; made when there is none of the name' });
  f.disks = repeated({ legend: 'Further disks', path: '', add: 'disk', makeRow: diskRow, onchange, hint: 'A volume of yours, as a raw disk; made when there is none of the name, and kept when the machine is deleted' });
  f.network = networkField();
  f.network.control.addEventListener('change', onchange);
  f.labels = repeated({ legend: 'Labels', path: 'labels metadata.labels', add: 'label', makeRow: pairRow('key', 'value', false), onchange });
  f.start = h('input', { type: 'checkbox', checked: true, id: 'create-start' });
  return f;
}

function layout(f, preview) {
  f.only = h('div', { class: 'stack' }, f.command, f.restart, f.space, f.env, f.volumes, f.ports);
  f.moreWord = h('summary', null, '');
  const advanced = h('details', { class: 'more' }, f.moreWord, f.only, f.disks, f.network, f.labels,
    h('p', { class: 'field check' }, f.start, h('label', { for: f.start.id }, 'Start it at once')));
  f.sizes = h('div', { class: 'pair' }, f.cpu, f.memory);
  const web = h('div', { class: 'web' }, h('p', { class: 'field check' }, f.publish, h('label', { for: f.publish.id }, 'Publish as a web page'), f.url), f.target);
  return h('div', { class: 'create-cols' }, h('div', { class: 'create-form' }, formError(), f.name, f.kindField, f.image, f.reference, f.flavor, f.sizes, quotaLeft(), f.vm.el, web, advanced), preview.el);
}

function previewPane() {
  const curl = h('pre', { tabindex: '0', 'aria-label': 'As curl' });
  const cmd = h('pre', { tabindex: '0', 'aria-label': 'As a command line' });
  const block = (word, pre) => {
    const btn = button('Copy', { icon: 'copy', kind: 'small ghost', 'aria-label': `Copy: ${word}`, onclick: () => copy(pre.textContent, btn) });
    return h('div', { class: 'code' }, h('div', { class: 'code-head' }, h('h3', null, word), btn), pre);
  };
  return { el: h('aside', { class: 'preview', 'aria-label': 'The same without the dashboard' }, block('Command line', cmd), block('curl', curl)), curl, cmd };
}

function check(f) {
  const { name, memory, cpu, target, publish } = f;
  const bad = [];
  if (!NAME.test(name.control.value.trim())) bad.push([name, name.control.value ? 'Use small letters, digits and hyphens; a letter or digit at both ends; at most 63.' : 'Give it a name.']);
  if (referred(f) && !imageOf(f)) bad.push([f.reference, 'Which image?']);
  if (!flavored(f) && !(Number(cpu.control.value) > 0)) bad.push([cpu, 'A number above 0.']);
  if (!flavored(f) && !(parseSize(memory.control.value) > 0)) bad.push([memory, 'A size such as 512M or 2G.']);
  if (!isVm(f) && !flavored(f) && f.space.control.value.trim() && !(parseSize(f.space.control.value) > 0)) bad.push([f.space, 'A size such as 10G, or nothing.']);
  const disk = isVm(f) && f.vm.check();
  if (disk) bad.push(disk);
  const port = Number(target.control.value);
  if (publish.checked && !(Number.isInteger(port) && port >= 1 && port <= 65535)) bad.push([target, 'A port from 1 to 65535.']);
  for (const [el, text] of bad) el.setError(text);
  bad[0]?.[0].control.focus();
  return !bad.length;
}

async function addRule(inst, ingress) {
  try {
    await post(`/compute/instances/${inst.id}/ingress`, ingress);
  } catch (e) {
    fail(`${inst.name} was created, but not published`, e);
  }
}

/** Names are unique: when the answer got lost, the name tells whether the request arrived. */
async function createOrFind(body) {
  const before = new Set(store.instances.keys());
  for (let tries = 1; ; tries++) {
    try {
      return await post('/compute/instances', body);
    } catch (e) {
      if (e.code !== 'OFFLINE' || tries === 3) throw e;
      const data = await get(`/compute/instances/name/${body.name}`).catch(() => null);
      if (data && !before.has(data.id)) return { data, operation: data.operation?.id ?? null };
    }
  }
}

async function submit(f, root, dialog, button_) {
  clearErrors(root);
  if (!check(f)) return;
  button_.disabled = true;
  const req = requestOf(f);
  try {
    const { data, operation } = await createOrFind(req.body);
    putInstance(data);
    followOperation(operation, `Creating ${data.name}`);
    if (req.ingress) await addRule(data, req.ingress);
    dialog.close();
    go(`/instances/${data.id}`);
  } catch (e) {
    button_.disabled = false;
    if (e.status === 409 && !e.details?.field) e.details = { field: 'name' };
    showError(root, e);
  }
}

function fillImages(f) {
  const options = imageOptions(f.kind.value);
  if (!options.length) options.push(['', 'The default image']);
  if (!isVm(f)) options.push([OTHER, 'Another one, by its reference']);
  const old = f.image.control.value;
  f.image.control.replaceChildren(...options.map(([v, text]) => h('option', { value: v }, text)));
  if (options.some(([v]) => v === old)) f.image.control.value = old;
}

/** A flavor says all sizes, and is where the server's word about them is shown. A GPU is a virtual machine's. */
function drawFlavor(f, vm) {
  for (const option of f.flavor.control.options) option.disabled = !vm && 'gpus' in option.dataset;
  if (f.flavor.control.selectedOptions[0]?.disabled) f.flavor.control.value = '';
  f.sizes.hidden = f.space.hidden = flavored(f);
  f.flavor.dataset.path = flavored(f) ? 'flavor resources' : 'flavor';
}

function drawImage(f) {
  f.reference.hidden = !referred(f);
  f.image.dataset.path = referred(f) ? '' : 'config.image image';
  f.reference.dataset.path = referred(f) ? 'config.image image' : '';
}

function drawKind(f) {
  const vm = isVm(f);
  f.only.hidden = vm;
  f.disks.hidden = !vm;
  f.volumes.dataset.path = vm ? '' : 'config.volumes'; // where the server's word about them is shown
  f.disks.dataset.path = vm ? 'config.volumes' : '';
  drawFlavor(f, vm);
  drawImage(f);
  f.vm.draw(vm);
  setText(f.moreWord, vm ? 'Further disks, networks, labels' : 'Command, environment, volumes, ports, restart policy, labels');
  setText(f.imageNote, vm ? f.vm.needs(vmImages().find((i) => i.name === f.image.control.value)) : '');
}

/** Another kind has other images and other usual sizes; what somebody chose stays. */
function changeKind(f) {
  if (['256M', '1G'].includes(f.memory.control.value)) f.memory.control.value = isVm(f) ? '1G' : '256M';
  if (!f.touched) f.publish.checked = !isVm(f);
  fillImages(f);
}

export function openCreate(preset = {}) {
  const preview = previewPane();
  const change = () => {
    drawKind(f);
    const req = requestOf(f);
    setText(preview.curl, asCurl(req));
    setText(preview.cmd, asCommand(req));
    setText(f.url, f.publish.checked ? appUrl(NAME.test(req.body.name) ? req.body.name : 'name') : 'Only reachable inside the tenant’s network');
    f.target.hidden = !f.publish.checked;
  };
  const f = buildFields(() => f && queueMicrotask(change));
  const root = layout(f, preview);
  const ok = h('button', { type: 'submit', class: 'btn primary' }, 'Create');
  const dialog = openDialog({ title: 'Create an instance', cls: 'create-dlg', body: root, actions: [button('Cancel', { onclick: () => dialog.close() }), ok], onsubmit: () => ok.disabled || submit(f, root, dialog, ok), onclose: () => f.vm.end() });
  if (preset.kind) f.kind.value = preset.kind;
  changeKind(f);
  f.publish.addEventListener('change', () => (f.touched = true));
  f.kind.addEventListener('change', () => (changeKind(f), change()));
  if (preset.image) f.image.control.value = preset.image;
  root.addEventListener('input', change);
  root.addEventListener('change', change);
  change();
  loadImages().then(() => (fillImages(f), preset.image && (f.image.control.value = preset.image), change()), () => {});
}
