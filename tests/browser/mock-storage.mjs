// Volumes and networks of the mock: what the dashboard asks for, from memory.

import { randomUUID } from 'node:crypto';
import { ApiFail } from './mock-state.mjs';

const MIB = 1048576;
const now = () => new Date().toISOString();

const make = (s, key, more) => {
  const at = now();
  const thing = { id: randomUUID(), tenant: s.tenants[0].slug, attachments: [], version: 1, createdAt: at, updatedAt: at, ...more };
  s[key].set(thing.id, thing);
  return thing;
};

function all(s, key) {
  if (s[key]) return s[key];
  s[key] = new Map();
  if (key === 'volumes') make(s, key, { name: 'archive', kind: 'filesystem', sizeBytes: 512 * MIB, state: 'ready', error: null });
  else make(s, key, { name: 'backend', cidr: '10.0.1.0/24' });
  return s[key];
}

const find = (s, key, id) => all(s, key).get(id) ?? (() => { throw new ApiFail(404, 'NOT_FOUND', 'there is no such thing'); })();
const list = (s, key) => { const items = [...all(s, key).values()]; return { body: { [key]: items, total: items.length, page: 1, pageSize: 500, next: null } }; };
const tell = (s, family, verb, thing) => s.emit(`${family}.${verb}`, { type: family, id: thing.id, name: thing.name }, { [family]: structuredClone(thing) });

function create(s, family, body, more) {
  const key = family + 's';
  if (!/^[a-z0-9-]+$/.test(body.name ?? '')) throw new ApiFail(400, 'INVALID_REQUEST', 'name must be 1 to 63 of a-z, 0-9 and -', { field: 'name' });
  if ([...all(s, key).values()].some((x) => x.name === body.name)) throw new ApiFail(409, 'CONFLICT', `the name ${body.name} is taken`, { field: 'name' });
  const thing = make(s, key, { name: body.name, ...more });
  tell(s, family, 'created', thing);
  return { status: 201, body: thing };
}

function change(s, family, id, verb, body) {
  const thing = find(s, family + 's', id);
  const inst = [...s.instances.values()].find((i) => i.name === body.instance || i.id === body.instance);
  if (!inst) throw new ApiFail(404, 'INSTANCE_NOT_FOUND', 'there is no such instance', { field: 'instance' });
  thing.attachments = thing.attachments.filter((a) => a.instance !== inst.id);
  if (verb === 'attach') thing.attachments.push({ instance: inst.id, instanceName: inst.name, ...(family === 'volume' ? { path: body.path ?? `/mnt/${thing.name}`, readOnly: Boolean(body.readOnly) } : { address: '10.0.1.2' }) });
  tell(s, family, 'updated', thing);
  return { body: thing };
}

function drop(s, family, id) {
  const thing = find(s, family + 's', id);
  if (thing.attachments.length) throw new ApiFail(409, 'CONFLICT', `it is attached to ${thing.attachments[0].instanceName}; detach it first`);
  all(s, family + 's').delete(id);
  tell(s, family, 'deleted', thing);
  return { status: 204 };
}

const both = (family) => [
  ['GET', `/${family}s`, (s) => list(s, family + 's')],
  ['DELETE', `/${family}s/:id`, (s, r) => drop(s, family, r.params.id)],
  ['POST', `/${family}s/:id/attach`, (s, r) => change(s, family, r.params.id, 'attach', r.body)],
  ['POST', `/${family}s/:id/detach`, (s, r) => change(s, family, r.params.id, 'detach', r.body)],
];

export const storageRoutes = [
  ...both('volume'),
  ...both('network'),
  ['POST', '/volumes', (s, r) => create(s, 'volume', r.body, { kind: r.body.kind ?? null, sizeBytes: r.body.size, state: 'ready', error: null })],
  ['PUT', '/volumes/:id', (s, r) => {
    const v = find(s, 'volumes', r.params.id);
    if (r.body.size <= v.sizeBytes) throw new ApiFail(400, 'INVALID_REQUEST', 'size must be more than it has: a volume only grows', { field: 'size' });
    v.sizeBytes = r.body.size;
    tell(s, 'volume', 'updated', v);
    return { body: v };
  }],
  ['POST', '/networks', (s, r) => {
    if (!/^\d+\.\d+\.\d+\.\d+\/\d+$/.test(r.body.cidr ?? '')) throw new ApiFail(400, 'INVALID_REQUEST', 'cidr must be an IPv4 range such as 10.0.1.0/24', { field: 'cidr' });
    return create(s, 'network', r.body, { cidr: r.body.cidr });
  }],
];
