// A server that speaks the native API from memory, for tests of the dashboard alone: `node mock.mjs [port] [instances]`.
// It also serves static/ with the headers nginx sends, and an application page for ingress links.

import { createServer } from 'node:http';
import { randomBytes } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { readFile } from 'node:fs/promises';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';
import { WebSocketServer } from 'ws';
import { converse, listen, runOnce, runRoutes, services } from './mock-run.mjs';
import { storageRoutes } from './mock-storage.mjs';
import { resizeInstance, updateInstance } from './mock-update.mjs';
import { ApiFail, State } from './mock-state.mjs';

const STATIC = fileURLToPath(new URL('../../static/', import.meta.url));
const TYPES = { '.html': 'text/html; charset=utf-8', '.js': 'text/javascript; charset=utf-8', '.css': 'text/css; charset=utf-8', '.svg': 'image/svg+xml' };
const HEADERS = await readFile(new URL('../../nginx/snippets/security-headers.conf.in', import.meta.url), 'utf8');
const CSP = /Content-Security-Policy "([^"]+)"/.exec(HEADERS)[1].replace(/ wss:[^ ;]+/, '');
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/;

const invalid = (field, message) => new ApiFail(400, 'INVALID_REQUEST', message, { field });
const notFound = () => new ApiFail(404, 'NOT_FOUND', 'there is no such thing');
const pub = ({ password, ...rest }) => rest;

function paged(key, items, q) {
  const size = Math.min(500, Number(q.get('pageSize') ?? 50));
  const from = q.get('cursor') ? Number(q.get('cursor')) : (Number(q.get('page') ?? 1) - 1) * size;
  return { [key]: items.slice(from, from + size), total: items.length, page: 1 + Math.floor(from / size), pageSize: size, next: from + size < items.length ? String(from + size) : null };
}

const find = (map, id) => map.get(id) ?? (() => { throw notFound(); })();

function sessionView(s, user) {
  const tenant = s.tenants[0];
  return { user: { id: user.id, username: user.username, role: user.role }, tenant: s.sessions.get('tenant') ?? tenant.slug, tenants: s.tenants.map((t) => ({ id: t.id, slug: t.slug, name: t.name, role: 'owner' })), csrf: 'header', version: '0.1.0', appsDomain: 'apps.localhost', appsPort: s.port, lastEvent: s.last };
}

function createInstance(s, body, user) {
  if (!NAME.test(body.name ?? '')) throw invalid('name', 'a name is 1 to 63 of a-z, 0-9 and hyphen, with a letter or digit at both ends');
  if (s.byName(body.name)) throw new ApiFail(409, 'CONFLICT', `the name ${body.name} is taken`, { field: 'name' });
  if (!/^[\w./:@-]*$/.test(body.config?.image ?? '')) throw invalid('config.image', 'config.image must be an image reference such as nginx:alpine or registry.example/app@sha256:…');
  for (const kv of body.config?.env ?? []) if (!/^[A-Za-z_]\w*=/.test(kv)) throw invalid('config.env[0]', 'a variable is NAME=value');
  if (body.resources?.memory?.limit < 4194304) throw invalid('resources.memory.limit', 'at least 4 MiB');
  const inst = s.addInstance(body, user.username);
  s.emit('instance.created', { type: 'instance', id: inst.id, name: inst.name }, { state: 'creating' });
  const op = s.run('create', inst, user.username);
  return { status: 201, body: inst, operation: op.id };
}

function addRule(s, inst, body) {
  const target = body.targetPort ?? body.target_port;
  if (!Number.isInteger(target) || target < 1 || target > 65535) throw invalid('targetPort', 'a port is 1 to 65535');
  const host = body.host ?? inst.name;
  if (inst.ingress.length) throw new ApiFail(409, 'CONFLICT', 'the port has a rule');
  if ([...s.instances.values()].some((i) => i.ingress.some((r) => r.host === host))) throw new ApiFail(409, 'CONFLICT', `the host ${host} is taken`, { field: 'host' });
  const rule = { port: 443, targetPort: target, host, url: `http://${host}.apps.localhost:${s.port}/`, access: body.access ?? 'public', createdAt: new Date().toISOString() };
  inst.ingress.push(rule);
  inst.updatedAt = new Date().toISOString();
  s.emit('ingress.created', { type: 'instance', id: inst.id, name: inst.name }, { url: rule.url });
  return { status: 201, body: rule };
}

function dropRule(s, inst) {
  inst.ingress = [];
  inst.updatedAt = new Date().toISOString();
  s.emit('ingress.deleted', { type: 'instance', id: inst.id, name: inst.name });
  return { status: 204 };
}

function verb(s, inst, name, body, user) {
  s.refuse(name, inst, body?.force);
  const op = s.run(name, inst, user.username);
  return { status: 202, body: inst, operation: op.id };
}

function removeInstance(s, inst, force, user) {
  s.refuse('delete', inst, force);
  return { status: 200, body: inst, operation: s.run('delete', inst, user.username).id };
}

function cancel(s, op) {
  op.cancelled = true;
  return { status: 202, body: op };
}

function signIn(s, body) {
  if (s.failures >= 5) throw new ApiFail(429, 'RATE_LIMITED', 'too many attempts', {}, { 'Retry-After': '4' });
  const user = s.users.find((u) => u.username === body.username && u.password === body.password && !u.disabled);
  if (!user) {
    s.failures++;
    throw new ApiFail(401, 'UNAUTHENTICATED', 'wrong user name or password');
  }
  s.failures = 0;
  const key = randomBytes(12).toString('hex');
  s.sessions.set(key, user);
  return { body: { user: pub(user) }, headers: { 'Set-Cookie': `lodge=${key}; Path=/; HttpOnly; SameSite=Strict` } };
}

function makeToken(s, body) {
  if (!body.name) throw invalid('name', 'give the token a name');
  const secret = `lodge_${randomBytes(20).toString('hex')}`;
  const t = { id: randomBytes(6).toString('hex'), name: body.name, prefix: secret.slice(0, 12), tenant: 'main', createdAt: new Date().toISOString(), expiresAt: body.expiresInDays ? new Date(Date.now() + body.expiresInDays * 864e5).toISOString() : null, lastUsedAt: null, revokedAt: null };
  s.tokens.set(t.id, t);
  return { status: 201, body: { ...t, token: secret } };
}

function changePassword(user, body) {
  if (body.current !== user.password) throw new ApiFail(403, 'FORBIDDEN', 'the current password is wrong', { field: 'current' });
  if ((body.new ?? '').length < 10) throw invalid('new', 'a password has at least 10 characters');
  user.password = body.new;
  return { status: 204 };
}

function addUser(s, body) {
  if (!/^[\w.@+-]{1,64}$/.test(body.username ?? '')) throw invalid('username', 'letters, digits and . _ - @ +');
  if ((body.password ?? '').length < 10) throw invalid('password', 'a password has at least 10 characters');
  const user = { id: randomBytes(6).toString('hex'), disabled: false, createdAt: new Date().toISOString(), ...body };
  s.users.push(user);
  return { status: 201, body: pub(user) };
}

function addMember(s, body) {
  const user = s.users.find((u) => u.username === body.username);
  if (!user) throw invalid('username', 'there is no such user');
  s.members.push({ user: user.id, username: user.username, role: body.role, since: new Date().toISOString() });
  return { status: 201, body: { members: s.members } };
}

function fetchImage(s, body, user) {
  if (!/^https:\/\/[\w.-]+\//.test(body.url)) throw invalid('url', 'url must be an https:// address');
  const image = s.addImage({ name: body.name, kind: 'vm', source: 'pull', reference: `localhost/lodge/${body.name}:latest`, state: 'pulling', sizeBytes: null, vm: { format: body.format ?? 'qcow2', url: body.url, sha256: body.sha256 ?? null, virtualBytes: 0, minDiskBytes: 0, minMemoryBytes: body.minMemoryBytes ?? 0, defaultUser: body.defaultUser ?? null, cloudInit: body.cloudInit ?? true } });
  return s.pull(image, user.username).then((op) => ({ status: 202, body: image, operation: op.id }));
}

function pullImage(s, body, user) {
  if (body.url) return fetchImage(s, body, user);
  if (!/^[\w./:@-]+$/.test(body.reference ?? '')) throw invalid('reference', 'that is no image reference');
  const image = s.addImage({ name: body.name ?? body.reference.split('/').pop().split(':')[0], source: 'pull', reference: body.reference, state: 'pulling', sizeBytes: null });
  return s.pull(image, user.username).then((op) => ({ status: 202, body: image, operation: op.id }));
}

function importImage(s, name, user) {
  if (!NAME.test(name ?? '')) throw invalid('name', 'give the image a name');
  const image = s.addImage({ name, source: 'upload', reference: null, state: 'pulling', sizeBytes: null });
  return s.pull(image, user.username).then((op) => ({ status: 202, body: image, operation: op.id }));
}

function changeImage(s, image, body) {
  if (body.default) for (const i of s.images.values()) i.default = false;
  Object.assign(image, body);
  s.emit('image.updated', { type: 'image', id: image.id, name: image.name });
  return { body: image };
}

function dropImage(s, image) {
  if ([...s.instances.values()].some((i) => i.config.image === image.name)) throw new ApiFail(409, 'CONFLICT', `${image.name} is in use`);
  s.images.delete(image.id);
  s.emit('image.deleted', { type: 'image', id: image.id, name: image.name });
  return { status: 204 };
}

function quota(s, id) {
  const own = [...s.instances.values()];
  const { limit = {}, version = 0, updatedAt = null } = s.quotas.get(id) ?? {};
  const all = ['instances', 'cpu', 'memory', 'storage', 'ingress', 'tokens', 'codeTimeMs', 'codeMemory', 'codeOutput'];
  const used = { instances: own.length, cpu: own.reduce((n, i) => n + i.resources.cpu.cores, 0), memory: own.reduce((n, i) => n + i.resources.memory.limit, 0), storage: 0, ingress: own.flatMap((i) => i.ingress).length, tokens: s.tokens.size };
  return { body: { tenant: 'main', quota: Object.fromEntries(all.map((k) => [k, limit[k] ?? null])), used, version, updatedAt }, headers: { ETag: `"${version}"` } };
}

function putQuota(s, id, body, headers) {
  const version = s.quotas.get(id)?.version ?? 0;
  if (!headers['if-match']) throw new ApiFail(428, 'PRECONDITION_REQUIRED', 'say with If-Match which version you change');
  if (headers['if-match'] !== `"${version}"`) throw new ApiFail(412, 'PRECONDITION_FAILED', 'it was changed meanwhile');
  if (body.instances > 1000000) throw invalid('instances', 'instances is at most 1000000');
  s.quotas.set(id, { limit: body, version: version + 1, updatedAt: new Date().toISOString() });
  return quota(s, id);
}

function addFlavor(s, body) {
  if (!/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/.test(body.name)) throw invalid('name', 'name must be 1 to 63 of a-z, 0-9 and -');
  if (s.flavors.some((f) => f.name === body.name)) throw new ApiFail(409, 'CONFLICT', `there is a flavor called ${body.name}`, { field: 'name' });
  s.flavors.push(body);
  return { status: 201, body };
}

function dropFlavor(s, name) {
  if (name === 'small') throw new ApiFail(409, 'CONFLICT', 'small is what instances get for which no flavor is named');
  s.flavors = s.flavors.filter((f) => f.name !== name);
  return { status: 204 };
}

function addKey(s, body) {
  if (!body.name) throw invalid('name', 'give the key a name');
  if (!/^(ssh|ecdsa|sk)-\S+ \S{20,}/.test(body.public_key ?? '')) throw invalid('public_key', 'public_key is no OpenSSH public key');
  const key = { id: randomBytes(6).toString('hex'), name: body.name, public_key: body.public_key, fingerprint: `SHA256:${randomBytes(32).toString('base64').replace(/=+$/, '')}`, created_at: new Date().toISOString() };
  s.keys.set(key.id, key);
  return { status: 201, body: key };
}

// The API of clouds, which has no prefix.
const CLOUD = [
  ['GET', '/compute/ssh-keys', (s) => ({ body: { ssh_keys: [...s.keys.values()] } })],
  ['POST', '/compute/ssh-keys', (s, r) => addKey(s, r.body)],
  ['DELETE', '/compute/ssh-keys/:id', (s, r) => (find(s.keys, r.params.id), s.keys.delete(r.params.id), { body: {} })],
];

/** What an instance used from `since` on, in steps: nothing before it was created, an hour of sleep half a day ago, whatever the time is now; its disk fills during a day. */
function usageHistory(inst, q) {
  const step = Number(q.get('step') ?? 10);
  const since = Math.max(Date.parse(q.get('since')), Date.parse(inst.createdAt));
  const at = [];
  const asleep = Math.floor(Date.now() / 36e5) - 12;
  for (let t = Math.ceil(since / 1000 / step) * step; t * 1000 <= Date.now(); t += step) if (Math.floor(t / 3600) !== asleep) at.push(t);
  const wave = (t, period, low, high) => Math.round(low + (high - low) * (0.5 + 0.35 * Math.sin(t / period) + 0.15 * Math.sin(t * 7.3)));
  const col = (period, low, high) => at.map((t) => wave(t, period, low, high));
  const limit = inst.resources.memory.limit;
  return { since: q.get('since'), until: new Date().toISOString(), step, at: at.map((t) => new Date(t * 1000).toISOString()), cpu: { avg: col(400, 2, 60), min: col(400, 1, 50), max: col(400, 4, 80) }, memory: { avg: col(900, limit * 0.2, limit * 0.6), min: col(900, limit * 0.2, limit * 0.5), max: col(900, limit * 0.25, limit * 0.7) },
    network: { rxBytes: col(300, 0, 1e6), txBytes: col(300, 0, 2e6), rxRate: col(300, 0, 90000), txRate: col(500, 0, 250000) }, storage: { used: at.map((t) => 4e6 + (t % 86400) * 2e3) }, pids: col(1000, 3, 9) };
}

const usage = (inst) => ({ cpu: { usage: Math.random() * 60, cores: inst.resources.cpu.cores }, memory: { used: Math.round(inst.resources.memory.limit * (0.2 + Math.random() * 0.1)), limit: inst.resources.memory.limit, percentage: 25 }, network: { rxBytes: 1, txBytes: 2 } });

// [method, pattern, (s, {params, query, body, user}) → {status, body, operation, headers}]
const ROUTES = [
  ['POST', '/session', (s, r) => signIn(s, r.body), 'open'],
  ['GET', '/session', (s, r) => ({ body: sessionView(s, r.user) })],
  ['DELETE', '/session', (s, r) => (s.sessions.delete(r.key), { status: 204 })],
  ['PUT', '/session/password', (s, r) => changePassword(r.user, r.body)],
  ['PUT', '/session/tenant', (s, r) => (s.sessions.set('tenant', r.body.tenant), { body: sessionView(s, r.user) })],
  ['GET', '/tokens', (s) => ({ body: { tokens: [...s.tokens.values()] } })],
  ['POST', '/tokens', (s, r) => makeToken(s, r.body)],
  ['DELETE', '/tokens/:id', (s, r) => (Object.assign(find(s.tokens, r.params.id), { revokedAt: new Date().toISOString() }), { status: 204 })],
  ['GET', '/users', (s, r) => ({ body: paged('users', s.users.map(pub), r.query) })],
  ['POST', '/users', (s, r) => addUser(s, r.body)],
  ['PUT', '/users/:id', (s, r) => ({ body: pub(Object.assign(s.users.find((u) => u.id === r.params.id), r.body)) })],
  ['DELETE', '/users/:id', (s, r) => ((s.users = s.users.filter((u) => u.id !== r.params.id)), { status: 204 })],
  ['GET', '/tenants', (s, r) => ({ body: paged('tenants', s.tenants, r.query) })],
  ['POST', '/tenants', (s, r) => {
    if (!NAME.test(r.body.slug ?? '')) throw invalid('slug', 'small letters, digits and hyphens');
    const t = s.makeTenant(r.body.slug, r.body.name ?? '', s.tenants.length + 1);
    s.tenants.push(t);
    return { status: 201, body: t };
  }],
  ['PUT', '/tenants/:id', (s, r) => ({ body: Object.assign(s.tenants.find((t) => t.id === r.params.id), r.body) })],
  ['DELETE', '/tenants/:id', (s, r) => ((s.tenants = s.tenants.filter((t) => t.id !== r.params.id)), { status: 204 })],
  ['GET', '/tenants/:id/members', (s) => ({ body: { members: s.members } })],
  ['POST', '/tenants/:id/members', (s, r) => addMember(s, r.body)],
  ['DELETE', '/tenants/:id/members/:user', (s, r) => ((s.members = s.members.filter((m) => m.user !== r.params.user)), { status: 204 })],
  ['GET', '/audit', (s, r) => ({ body: paged('audit', s.audit.filter((a) => `${a.user} ${a.action} ${a.subject} ${a.address} ${a.result}`.toLowerCase().includes((r.query.get('q') ?? '').toLowerCase())), r.query) })],
  ['GET', '/images', (s, r) => ({ body: paged('images', [...s.images.values()], r.query) })],
  ['POST', '/images', (s, r) => pullImage(s, r.body, r.user)],
  ['POST', '/images/upload', (s, r) => importImage(s, r.query.get('name'), r.user)],
  ['PUT', '/images/:id', (s, r) => changeImage(s, find(s.images, r.params.id), r.body)],
  ['DELETE', '/images/:id', (s, r) => dropImage(s, find(s.images, r.params.id))],
  ['GET', '/compute/instances', (s, r) => ({ body: paged('instances', [...s.instances.values()].filter((i) => i.name.includes(r.query.get('q') ?? '')), r.query) })],
  ['POST', '/compute/instances', (s, r) => createInstance(s, r.body, r.user)],
  ['GET', '/compute/instances/name/:name', (s, r) => {
    const inst = s.byName(r.params.name);
    if (!inst) throw new ApiFail(404, 'INSTANCE_NOT_FOUND', 'there is no such instance');
    return { body: inst };
  }],
  ['GET', '/compute/instances/:id', (s, r) => ({ body: s.instance(r.params.id) })],
  ['DELETE', '/compute/instances/:id', (s, r) => removeInstance(s, s.instance(r.params.id), r.query.get('force') === 'true', r.user)],
  ['POST', '/compute/instances/:id/resize', (s, r) => resizeInstance(s, s.instance(r.params.id), r, quota(s, s.tenants[0].id).body)],
  ['PUT', '/compute/instances/:id', (s, r) => updateInstance(s, s.instance(r.params.id), r, quota(s, s.tenants[0].id).body)],
  ['GET', '/compute/usage', (s) => ({ body: { usage: [...s.instances.values()].filter((i) => i.state === 'running').map((i) => ({ instance: i.id, name: i.name, at: new Date().toISOString(), cpu: { usage: usage(i).cpu.usage }, memory: { used: usage(i).memory.used } })) } })],
  ['GET', '/compute/instances/:id/usage', (s, r) => ({ body: r.query.get('since') ? usageHistory(s.instance(r.params.id), r.query) : usage(s.instance(r.params.id)) })],
  ['GET', '/compute/instances/:id/console', () => { throw invalid('', 'a console is reached by a WebSocket'); }],
  ['GET', '/compute/instances/:id/logs', (s, r) => ({ text: (s.logs.get(s.instance(r.params.id).id) ?? []).map((l) => l.text).join('') })],
  ['GET', '/compute/instances/:id/ingress', (s, r) => ({ body: paged('ingress', s.instance(r.params.id).ingress, r.query) })],
  ['POST', '/compute/instances/:id/ingress', (s, r) => addRule(s, s.instance(r.params.id), r.body)],
  ['DELETE', '/compute/instances/:id/ingress/:port', (s, r) => dropRule(s, s.instance(r.params.id))],
  ['PUT', '/compute/instances/:id/:verb', (s, r) => verb(s, s.instance(r.params.id), r.params.verb, r.body, r.user)],
  ['GET', '/tenants/:id/quota', (s, r) => quota(s, r.params.id)],
  ['PUT', '/tenants/:id/quota', (s, r) => putQuota(s, r.params.id, r.body, r.headers)],
  ['GET', '/compute/backends/:backend/info', () => ({ body: { type: 'kvm', status: 'running', healthCheck: { status: 'healthy', reason: null, notice: 'Guests run in software: /dev/kvm is there but does not run one.', lastCheck: new Date().toISOString() } } })],
  ['GET', '/compute/flavors', (s) => ({ body: { flavors: s.flavors } })],
  ['POST', '/compute/flavors', (s, r) => addFlavor(s, r.body)],
  ['DELETE', '/compute/flavors/:name', (s, r) => dropFlavor(s, r.params.name)],
  ['GET', '/ingress', (s, r) => ({ body: paged('ingress', [...s.instances.values()].flatMap((i) => i.ingress.map((rule) => ({ ...rule, instance: i.id }))), r.query) })],
  ['GET', '/operations', (s, r) => ({ body: paged('operations', [...s.operations.values()].filter((o) => !r.query.get('instance') || o.instance === r.query.get('instance')).reverse(), r.query) })],
  ['GET', '/operations/:id', (s, r) => ({ body: find(s.operations, r.params.id) })],
  ['DELETE', '/operations/:id', (s, r) => cancel(s, find(s.operations, r.params.id))],
  ...storageRoutes,
  ['GET', '/services', (s) => ({ body: { services: [...services(s).values()] } })],
  ['GET', '/events', (s, r) => {
    if (Number(r.query.get('since') ?? 0) < s.oldest) throw new ApiFail(410, 'GONE', 'events are not kept that long', { oldest: String(s.oldest + 1), last: String(s.last) });
    return { body: { events: s.events.filter((e) => e.id > Number(r.query.get('since') ?? 0)).slice(0, 500), next: s.last } };
  }],
];
const parsed = (list) => list.map(([method, pattern, handler, open]) => ({ method, parts: pattern.split('/').slice(1), handler, open }));
const NATIVE = parsed(ROUTES);
const ROOT = parsed([...CLOUD, ...runRoutes]);

function route(list, method, path) {
  const parts = path.split('/').slice(1);
  for (const r of list) {
    if (r.method !== method || r.parts.length !== parts.length) continue;
    const params = {};
    if (r.parts.every((p, i) => (p.startsWith(':') ? ((params[p.slice(1)] = decodeURIComponent(parts[i])), true) : p === parts[i]))) return { r, params };
  }
  throw notFound();
}

const keyOf = (req) => /(?:^|; )lodge=([0-9a-f]+)/.exec(req.headers.cookie ?? '')?.[1];

/** What the server makes of its tables, of the same data, in little. */
async function description() {
  const data = async (name) => JSON.parse(await readFile(new URL(`../../fcgi/api/openapi/${name}.json`, import.meta.url), 'utf8'));
  const [components, known] = [await data('components'), await data('answers')];
  const paths = {};
  const content = (name) => ({ 'application/json': { schema: { $ref: `#/components/schemas/${name}` } } });
  for (const [key, { answers, parameters }] of Object.entries(known)) {
    const [method, pattern] = key.split(' ');
    const path = pattern.replace(/:(\w+)/g, '{$1}');
    const make = key === 'POST /api/v1/compute/instances';
    const op = { summary: make ? 'Creates an instance' : `What ${path} does`, tags: [pattern.split('/')[pattern.includes('/compute/') ? 4 : 3] ?? 'system'], 'x-permission': 'members of the tenant',
      parameters: [...path.matchAll(/{(\w+)}/g)].map(([, name]) => ({ name, in: 'path', required: true, schema: { type: 'string' } })).concat(parameters.map((p) => ({ $ref: `#/components/parameters/${p}` }))), responses: {} };
    for (const [status, what] of Object.entries(answers)) op.responses[status] = typeof what === 'string' ? { description: 'As asked for.', content: content(what) } : { description: 'No body.' };
    op.responses.default = { description: 'It was not done, and why.', content: content('Error') };
    if (make) op.requestBody = { required: true, content: { 'application/json': { schema: { type: 'object', required: ['name'], properties: { name: { type: 'string' }, start: { type: ['boolean', 'null'] } } } } } };
    (paths[path] ??= {})[method.toLowerCase()] = op;
  }
  return { openapi: '3.1.0', info: { title: 'Lodge', version: '0.1.0' }, paths, components };
}

async function readBody(req) {
  const parts = [];
  for await (const part of req) parts.push(part);
  const raw = Buffer.concat(parts);
  return (req.headers['content-type'] ?? '').includes('json') && raw.length ? JSON.parse(raw) : raw.length ? raw : undefined;
}

function callerOf(s, req, open = false) {
  const user = s.sessions.get(keyOf(req));
  if (req.method !== 'GET' && req.headers['lodge-csrf'] !== '1') throw new ApiFail(403, 'FORBIDDEN', 'the header Lodge-CSRF is missing');
  if (!open && !user) throw new ApiFail(401, 'UNAUTHENTICATED', 'sign in');
  return user;
}

async function api(s, req, url) {
  const native = url.pathname.startsWith('/api/v1/');
  const { r, params } = route(native ? NATIVE : ROOT, req.method, native ? url.pathname.slice('/api/v1'.length) : url.pathname);
  const key = keyOf(req);
  const user = callerOf(s, req, r.open);
  const body = await readBody(req);
  const done = req.headers['idempotency-key'];
  if (done && s.answers.has(done)) return s.answers.get(done);
  const out = await r.handler(s, { params, query: url.searchParams, body, user, key, headers: req.headers });
  if (done) s.answers.set(done, structuredClone(out));
  if (req.method !== 'GET' && user) s.audit.unshift({ id: s.audit.length + 1, at: new Date().toISOString(), user: user.username, token: null, address: '127.0.0.1', action: `${req.method} ${url.pathname}`, subject: params.id ?? null, tenant: 'main', result: 'ok', details: {} });
  return out;
}

function answer(res, { status = 200, body, text, operation, headers = {} }) {
  const extra = operation ? { 'Operation-Location': `/api/v1/operations/${operation}` } : {};
  const type = text === undefined ? 'application/json' : 'text/plain; charset=utf-8';
  res.writeHead(status, { 'Content-Type': type, 'Cache-Control': 'no-store', ...headers, ...extra });
  res.end(status === 204 ? undefined : (text ?? JSON.stringify(body)));
}

async function file(req, res, path) {
  const name = normalize(path === '/' ? '/index.html' : path);
  try {
    const data = await readFile(join(STATIC, name));
    const packed = data.length > 512 && /gzip/.test(req.headers['accept-encoding'] ?? ''); // as nginx does
    res.writeHead(200, { ...(packed ? { 'Content-Encoding': 'gzip' } : {}), 'Content-Type': TYPES[extname(name)] ?? 'application/octet-stream', 'Content-Security-Policy': CSP, 'X-Content-Type-Options': 'nosniff', 'Cache-Control': 'no-cache' });
    res.end(packed ? gzipSync(data, { level: 1 }) : data);
  } catch {
    res.writeHead(404).end('not found');
  }
}

function application(s, host, res) {
  const label = host.split('.')[0];
  const inst = [...s.instances.values()].find((i) => i.ingress.some((r) => r.host === label));
  res.writeHead(inst?.state === 'running' ? 200 : 503, { 'Content-Type': 'text/html' });
  res.end(`<!doctype html><title>${label}</title><h1>${inst?.state === 'running' ? `Hello from ${label}` : 'not running'}</h1>`);
}

function followEvents(s, ws, since) {
  if (since < s.oldest) {
    ws.send(JSON.stringify({ type: 'gone', oldest: s.oldest }));
    return ws.close(4410);
  }
  for (const ev of s.events) if (ev.id > since) ws.send(JSON.stringify(ev));
  ws.send(JSON.stringify({ type: 'ready', last: s.last }));
  const fn = (ev) => ws.send(JSON.stringify(ev));
  s.listeners.add(fn);
  return ws.on('close', () => s.listeners.delete(fn));
}

function followLog(s, ws, id) {
  const lines = s.logs.get(id) ?? [];
  let sent = 0;
  const timer = setInterval(() => {
    const state = s.instances.get(id)?.state;
    if (state === 'running') lines.push({ stream: lines.length % 5 === 4 ? 'stderr' : 'stdout', text: `${new Date().toISOString()} GET / 200 request ${lines.length}\n` });
    while (sent < lines.length) ws.send(JSON.stringify(lines[sent++]));
    if (!state || state === 'stopped' || state === 'error') {
      ws.send(JSON.stringify({ end: true }));
      ws.close(1000);
    }
  }, 100);
  ws.on('close', () => clearInterval(timer));
}

/** A serial line that greets and echoes; what `s.lines` holds are its viewers, so that a test can cut it. A screen stays dark. */
function serialLine(s, ws, id, query) {
  (s.lines ??= []).push(ws);
  if (s.instance(id).state !== 'running') return ws.close(1011, 'no such line here');
  if (query.get('type') === 'exec') {
    ws.send(Buffer.from('/ # '));
    ws.on('message', (data, binary) => {
      if (!binary) ws.size = JSON.parse(data).resize;
      else if (data.includes(4)) ws.close(1000, 'the console ended');
      else ws.send(data);
    });
    return undefined;
  }
  if (query.get('type') === 'vnc') return undefined;
  ws.send(Buffer.from(`${s.instance(id).name} login: `));
  if (query.get('readonly') !== 'true') ws.on('message', (data) => ws.send(data));
  return undefined;
}

const runOf = (s, url) => s.kept?.get(/^\/api\/repl\/runs\/([^/]+)\/stream$/.exec(url.pathname)?.[1]);

function upgrade(s, wss, req, socket, head) {
  const url = new URL(req.url, 'http://x');
  if (!s.sessions.get(keyOf(req))) return socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\n\r\n');
  return wss.handleUpgrade(req, socket, head, (ws) => {
    const logs = /instances\/([^/]+)\/logs$/.exec(url.pathname);
    const console_ = /instances\/([^/]+)\/console$/.exec(url.pathname);
    const run = runOf(s, url);
    if (run) converse(s, ws, run);
    else if (console_) serialLine(s, ws, console_[1], url.searchParams);
    else if (logs) followLog(s, ws, logs[1]);
    else followEvents(s, ws, Number(url.searchParams.get('since') ?? s.last));
  });
}

/** → {url, state, close(), cut(): every WebSocket}. Give `state` again to start another server over the same memory. */
export async function startMock({ port = 0, state = new State() } = {}) {
  const s = state;
  const server = createServer(async (req, res) => {
    const url = new URL(req.url, 'http://x');
    if (/\.apps\.localhost/.test(req.headers.host ?? '')) return application(s, req.headers.host, res);
    if (url.pathname === '/api/openapi.json') return answer(res, { body: await description() });
    const run = runOf(s, url);
    if (run) return listen(s, res, run);
    if (!/^\/(api|compute)\//.test(url.pathname)) return file(req, res, url.pathname);
    try {
      if (url.pathname === '/api/containers/create/stream') return await (callerOf(s, req) && runOnce(s, res, await readBody(req)));
      answer(res, await api(s, req, url));
    } catch (e) {
      if (!(e instanceof ApiFail)) console.error(e);
      answer(res, { status: e.status ?? 500, headers: e.headers, body: { error: { code: e.code ?? 'INTERNAL', message: e.message, details: e.details ?? {} } } });
    }
    return undefined;
  });
  const wss = new WebSocketServer({ noServer: true });
  server.on('upgrade', (req, socket, head) => upgrade(s, wss, req, socket, head));
  await new Promise((r) => server.listen(port, '127.0.0.1', r));
  s.port = server.address().port;
  const close = () => new Promise((r) => {
    for (const ws of wss.clients) ws.terminate();
    server.close(r);
    server.closeAllConnections();
  });
  const cut = () => wss.clients.forEach((ws) => ws.terminate());
  return { url: `http://127.0.0.1:${s.port}`, port: s.port, state: s, close, cut };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const state = new State({ speed: 800 });
  state.seed(Number(process.argv[3] ?? 8));
  const mock = await startMock({ port: Number(process.argv[2] ?? 8765), state });
  console.log(`${mock.url}  user=admin password=correct-horse`);
}
