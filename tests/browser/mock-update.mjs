// An instance's update, as fcgi/api/instance_verbs.c and vm.c decide and fcgi/driver/kvm/update.c does it: limits and labels, nothing else.

import { ApiFail } from './mock-state.mjs';

const MIB = 2 ** 20;
const invalid = (field, message, more) => new ApiFail(400, 'INVALID_REQUEST', `${field} ${message}`, { field, ...more });

// [where, field, least or null for an object], as the tables of fields there
const FIELDS = [['', 'resources'], ['', 'labels'], ['', 'metadata'], ['metadata.', 'labels'], ['resources.', 'cpu'], ['resources.', 'memory'], ['resources.', 'storage'],
  ['resources.cpu.', 'cores', 0.01], ['resources.memory.', 'limit', 4 * MIB], ['resources.storage.', 'totalSpace', 1]];

function parse(obj, where = '') {
  const known = FIELDS.filter((f) => f[0] === where);
  for (const key of Object.keys(obj)) if (!known.some((f) => f[1] === key)) throw invalid(where + key, 'is not a field of this request');
  for (const [, key, least] of known) {
    const value = obj[key];
    if (value === undefined || value === null) continue;
    if (least === undefined && typeof value !== 'object') throw invalid(where + key, 'must be an object');
    if (least === undefined && key !== 'labels') parse(value, `${where}${key}.`);
    if (least !== undefined && typeof value !== 'number') throw invalid(where + key, 'must be a number');
    if (value < least) throw invalid(where + key, 'is too small');
  }
}

function checkLabels(labels) {
  for (const [key, value] of Object.entries(labels)) {
    if (!/^[\w./-]{1,63}$/.test(key) || key.startsWith('lodge.')) throw invalid('labels', 'has a key that is not 1 to 63 letters, digits or . _ - / (lodge. is reserved)');
    if (typeof value !== 'string') throw invalid('labels', 'must be an object of strings');
  }
}

function admit({ quota, used }, name, unit, scale, more) {
  if (quota[name] === null || used[name] + more <= quota[name]) return;
  const n = (v) => Math.round(v * scale);
  throw new ApiFail(403, 'RESOURCE_LIMIT_EXCEEDED', `the tenant's quota of ${name} would be passed: ${n(used[name])} of ${n(quota[name])} ${unit} are taken, ${n(more)} more were asked for; an administrator can raise it`,
    { limit: name, unit, total: n(quota[name]), used: n(used[name]), requested: n(more), scope: 'tenant', raisedBy: 'administrator' });
}

function checkMachine(s, inst, memory, disk) {
  const has = inst.resources.storage.totalSpace;
  if (disk < has) throw invalid('resources.storage.totalSpace', `is less than the ${has} bytes it has: a disk only grows`);
  const image = [...s.images.values()].find((i) => i.kind === 'vm' && i.name === inst.config.image);
  const least = Math.max(image?.vm.minMemoryBytes ?? 0, 64 * MIB);
  if (memory < least) throw invalid('resources.memory.limit', `is ${memory} bytes, but its image needs at least ${least}`, { minimum: String(least) });
}

/** What a running machine takes at once: more, within its ceilings. The rest waits for its next start. */
function pending(inst, before) {
  const { vcpusMax, memoryMaxMiB } = inst.config;
  if (inst.live?.startedAt !== inst.startedAt) Object.defineProperty(inst, 'live', { value: { ...before, startedAt: inst.startedAt }, configurable: true });
  const { live } = inst;
  const cores = Math.ceil(inst.resources.cpu.cores);
  const memory = inst.resources.memory.limit;
  if (cores > live.cores && cores <= vcpusMax) live.cores = cores;
  if (memory > live.memory && memory <= memoryMaxMiB * MIB) live.memory = memory;
  return [cores !== Math.ceil(live.cores) && 'vcpus', Math.abs(live.memory - memory) > memory / 20 && 'memory'].filter(Boolean).join(' ');
}

async function apply(s, inst, op, before) {
  await s.steps(op, ['Applying the limits']);
  const later = inst.type === 'vm' && inst.state !== 'stopped' ? pending(inst, before) : '';
  inst.resources.pending = later.split(' ').filter(Boolean).map((what) => ({ vcpus: 'cpu' })[what] ?? what);
  if (later) op.log.push(`takes effect at its next start: ${later}`);
  inst.operation = null;
  s.end(op);
}

function setLimits(s, inst, { cpu, memory, storage }, user, quota) {
  const before = { cores: inst.resources.cpu.cores, memory: inst.resources.memory.limit };
  if (inst.type !== 'vm' && storage) throw new ApiFail(400, 'OPERATION_NOT_SUPPORTED', 'the storage of a container cannot be changed');
  s.refuse('update', inst);
  if (inst.type === 'vm') checkMachine(s, inst, memory?.limit, storage?.totalSpace);
  admit(quota, 'cpu', 'thousandths of a core', 1000, (cpu?.cores ?? before.cores) - before.cores);
  admit(quota, 'memory', 'bytes', 1, (memory?.limit ?? before.memory) - before.memory);
  if (inst.operation) throw new ApiFail(409, 'CONFLICT', `another operation (${inst.operation.kind}) is running for this instance; wait for it or use force`);
  if (cpu) inst.resources.cpu.cores = cpu.cores;
  if (memory) inst.resources.memory.limit = memory.limit;
  if (storage) inst.resources.storage.totalSpace = storage.totalSpace;
  if (inst.type !== 'vm' && !['running', 'paused'].includes(inst.state)) return null; // its start applies them
  const op = s.operation('instance.update', { instance: inst.id, instanceName: inst.name }, user.username);
  inst.operation = op;
  apply(s, inst, op, before);
  return op;
}

function checkMatch(inst, match) {
  if (match && match !== '*' && match !== `"${inst.version}"`) throw new ApiFail(412, 'PRECONDITION_FAILED', 'it has changed since you read it; read it again');
}

/** By a flavor, which is all that is asked of it here. */
export function resizeInstance(s, inst, { body, headers, user }, quota) {
  const f = s.flavors.find((one) => one.name === body.flavor);
  if (!f) throw new ApiFail(400, 'INVALID_REQUEST', 'Invalid flavor', { field: 'flavor' });
  checkMatch(inst, headers['if-match']);
  const disk = f.diskGB * 2 ** 30;
  const op = setLimits(s, inst, { cpu: { cores: f.vcpus }, memory: { limit: f.ramGB * 2 ** 30 }, storage: disk > inst.resources.storage.totalSpace ? { totalSpace: disk } : undefined }, user, quota);
  inst.flavor = f.name;
  s.emit('instance.updated', { type: 'instance', id: inst.id, name: inst.name }, { state: inst.state, previous: inst.state, reason: inst.reason });
  return { status: 202, body: inst, operation: op.id, headers: { ETag: `"${inst.version}"` } };
}

export function updateInstance(s, inst, { body, headers, user }, quota) {
  parse(body);
  const labels = body.labels ?? body.metadata?.labels;
  if (labels) checkLabels(labels);
  checkMatch(inst, headers['if-match']);
  const op = body.resources ? setLimits(s, inst, body.resources, user, quota) : null;
  if (labels) Object.assign(inst, { labels, metadata: { labels } });
  inst.updatedAt = new Date().toISOString();
  s.emit('instance.updated', { type: 'instance', id: inst.id, name: inst.name }, { state: inst.state, previous: inst.state, reason: inst.reason });
  return { status: op ? 202 : 200, body: inst, operation: op?.id, headers: { ETag: `"${inst.version}"` } };
}
