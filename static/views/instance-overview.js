// Overview: the failure, if there is one; usage now; what it was made of; what was done to it.

import { fill, h, icon, setText } from '../dom.js';
import { get } from '../api.js';
import { ago, bytes, full, percent } from '../format.js';
import { putOperation, store } from '../live.js';
import { copyText } from '../parts/dialog.js';
import { reading } from '../parts/reading.js';
import { opDetail, opTitle } from '../parts/toast.js';
import { drawSparkline, latest, observeUsage, sparkline } from '../parts/usage.js';

function failure(inst) {
  const r = inst.reason;
  const bad = inst.state === 'error' || (r?.exitCode !== null && r?.exitCode !== undefined && r.exitCode !== 0) || r?.oomKilled;
  if (!r || !bad) return null;
  const facts = [];
  if (r.exitCode !== null && r.exitCode !== undefined) facts.push(`Exit code ${r.exitCode}`);
  if (r.oomKilled) facts.push('Out of memory');
  else if (r.code) facts.push(r.code);
  const lines = Array.isArray(r.log) ? r.log.join('\n') : r.log;
  return h('section', { class: 'failure' }, h('h2', null, icon('alert'), inst.state === 'error' ? 'It did not stay up' : 'How it ended'),
    facts.length ? h('p', { class: 'facts' }, facts.map((f) => h('span', { class: 'chip' }, f))) : null,
    lines ? [h('h3', null, 'Its last lines'), h('pre', { tabindex: '0', 'aria-label': 'Last lines of the log' }, lines)] : null,
    h('p', { class: 'quiet' }, 'Next: ', h('a', { href: `#/instances/${inst.id}/log` }, 'read the whole log'), ', correct the command or the environment in a new instance, or start it again.'));
}

const row = (word, value) => (value === null || value === undefined || value === '' ? null : [h('dt', null, word), h('dd', null, value)]);
const list = (items) => (items?.length ? h('ul', { class: 'plain' }, items.map((i) => h('li', { class: 'mono' }, i))) : null);
const time = (iso) => iso && h('time', { dateTime: iso, title: full(iso) }, ago(iso));

const cores = (inst) => `${inst.resources?.cpu?.cores ?? '–'} ${inst.resources?.cpu?.cores === 1 ? 'core' : 'cores'}`;

/** Which sizes of what runs wait for its next start. */
const waiting = (inst) => inst.resources?.pending ?? [];

const sized = (value, waits) => (waits ? [value, ' ', h('span', { class: 'chip accent' }, 'from its next start')] : value);

function ports(inst) {
  const mapped = inst.network?.ports ?? [];
  return mapped.map((p) => `${p.hostAddress}:${p.hostPort} → ${p.port}/${p.protocol ?? 'tcp'}`);
}

/** What only a virtual machine has. */
function machine(inst) {
  if (inst.type !== 'vm') return [];
  const c = inst.config ?? {};
  const init = [c.cloudInit?.userDataBytes ? `user data, ${bytes(c.cloudInit.userDataBytes)}` : '', c.cloudInit?.metaDataBytes ? `meta data, ${bytes(c.cloudInit.metaDataBytes)}` : ''].filter(Boolean).join('; ');
  return [row('Disk', inst.resources?.storage?.totalSpace && `${bytes(inst.resources.storage.totalSpace)}, ${c.diskFormat ?? 'qcow2'}`), row('Firmware', c.firmware?.toUpperCase()), row('Cloud-init', init),
    row('SSH keys', c.sshKeys?.length), row('Sign in as', c.login), row('Grows live', c.vcpusMax && `to ${c.vcpusMax} cores, ${bytes(c.memoryMaxMiB * 2 ** 20)}`)];
}

const volumes = (inst) => (inst.volumes ?? []).map((v) => `${v.name ?? v.hostPath} → ${v.kind === 'block' ? 'a disk' : v.path}${v.readOnly ? ' (read only)' : ''}`);
const cards = (inst) => (inst.networks ?? []).map((n) => `${n.name}: ${n.address}/${n.prefix} at ${n.mac}`);

function facts(inst) {
  const wait = waiting(inst);
  const c = inst.config ?? {};
  const labels = Object.entries(inst.labels ?? {});
  const command = Array.isArray(c.command) ? c.command.join(' ') : c.command;
  const rules = inst.ingress ?? [];
  const owner = typeof inst.owner === 'object' ? inst.owner?.username : inst.owner;
  return h('div', { class: 'cards' },
    h('section', { class: 'card' }, h('h2', null, 'Image and size'), h('dl', null, row('Image', c.image && copyText(c.image)), row('Command', command && h('code', null, command)), row('Environment', list(c.env)),
      row('Restart', { no: 'never', 'on-failure': 'when it fails', always: 'always', 'unless-stopped': 'unless stopped' }[c.restartPolicy]), row('CPU', inst.resources?.cpu?.cores && sized(cores(inst), wait.includes('cpu'))), row('Memory limit', inst.resources?.memory?.limit && sized(bytes(inst.resources.memory.limit), wait.includes('memory'))), row('Flavor', inst.flavor), row('Volumes', list(volumes(inst))), ...machine(inst))),
    h('section', { class: 'card' }, h('h2', null, 'Network'), h('dl', null, row('Address', inst.network?.address && copyText(inst.network.address)), row('Range', inst.network?.subnet), row('Gateway', inst.network?.gateway), row('Also on', list(cards(inst))), row('Published', list(ports(inst))),
      row('Web', rules.length ? h('ul', { class: 'plain' }, rules.map((r) => h('li', null, h('a', { class: 'ext', href: r.url, target: '_blank', rel: 'noopener' }, new URL(r.url).host), ` → ${r.targetPort}`))) : h('a', { href: `#/instances/${inst.id}/ingress` }, 'Publish a web page')))),
    h('section', { class: 'card' }, h('h2', null, 'About'), h('dl', null, row('Id', copyText(inst.id)), row('Owner', owner), row('Created', time(inst.createdAt)), row('Started', time(inst.startedAt)), row('Health', inst.status && inst.status !== 'unknown' ? inst.status : null),
      row('Labels', labels.length ? h('span', { class: 'facts' }, labels.map(([k, v]) => h('span', { class: 'chip' }, `${k}=${v}`))) : null))));
}

function usageCards(ctx, inst) {
  const cpu = h('strong', { class: 'num' });
  const mem = h('strong', { class: 'num' });
  const cpuOf = h('span', { class: 'quiet' });
  const memOf = h('span', { class: 'quiet' });
  const cpuLine = sparkline();
  const memLine = sparkline();
  const el = h('div', { class: 'meters', dataset: { id: inst.id } }, h('div', { class: 'meter' }, h('span', null, 'CPU'), cpu, cpuOf, cpuLine),
    h('div', { class: 'meter' }, h('span', null, 'Memory'), mem, memOf, memLine));
  const observer = observeUsage();
  observer.add(el);
  ctx.dispose(() => observer.stop());
  const draw = () => {
    const now = store.instances.get(inst.id) ?? inst;
    const u = latest(now);
    el.hidden = now.state !== 'running';
    setText(cpu, u ? percent(u.cpu) : '–');
    setText(mem, u ? bytes(u.used) : '–');
    setText(cpuOf, waiting(now).includes('cpu') ? '' : `of ${cores(now)}`);
    setText(memOf, `of ${bytes(u?.limit ?? now.resources?.memory?.limit)}`);
    drawSparkline(cpuLine, inst.id, 'cpu');
    drawSparkline(memLine, inst.id, 'used');
  };
  ctx.on('usage', (id) => id === inst.id && draw());
  draw();
  return { el, draw };
}

function history(ctx, inst) {
  const box = h('ul', { class: 'history' });
  let read = false;
  const draw = () => {
    const ops = [...store.operations.values()].filter((o) => o.instance === inst.id).sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1)).slice(0, 10);
    fill(box, read && !ops.length && h('li', { class: 'quiet' }, 'Nothing lately.'), ops.map((o) => h('li', { dataset: { tone: { done: 'good', failed: 'bad' }[o.status] ?? 'busy' } }, h('span', { class: 'dot', 'aria-hidden': 'true' }), h('span', null, opTitle(o)), h('span', { class: 'quiet' }, opDetail(o)),
      h('span', { class: 'quiet end' }, o.requestedBy ? `${typeof o.requestedBy === 'object' ? o.requestedBy.username : o.requestedBy}, ` : '', time(o.endedAt ?? o.createdAt)))));
  };
  ctx.on('operation', (id) => store.operations.get(id)?.instance === inst.id && draw());
  const { el, load } = reading({ what: 'The operations', read: () => get(`/operations?instance=${encodeURIComponent(inst.id)}&pageSize=10`), waiting: '', draw: ({ operations }) => {
    read = true;
    operations.forEach(putOperation);
    draw();
  } });
  draw();
  load();
  return h('section', { class: 'card wide-card' }, h('h2', null, 'Recent operations'), el, box);
}

export function overview(ctx, inst) {
  const meters = usageCards(ctx, inst);
  const top = h('div', null);
  const mid = h('div', null);
  let shown = '';
  const update = (i) => {
    meters.draw();
    const { operation, updatedAt, ...rest } = i; // these change often and are shown elsewhere
    const key = JSON.stringify(rest);
    if (key === shown) return;
    shown = key;
    fill(top, failure(i));
    fill(mid, facts(i));
  };
  update(inst);
  return { node: h('div', { class: 'stack' }, top, meters.el, mid, history(ctx, inst)), update };
}
