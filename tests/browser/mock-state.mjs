// The native API's things in memory: what the mock server knows, and how instances change by themselves.

import { randomBytes, randomUUID } from 'node:crypto';

const now = () => new Date().toISOString();
const id = () => randomBytes(8).toString('hex');
const wait = (ms) => new Promise((r) => setTimeout(r, ms));

const REFUSALS = {
  start: [['stopped', 'error'], [], 'only a stopped one can be started'],
  stop: [['running', 'paused', 'error'], ['creating', 'starting', 'stopping', 'restarting'], 'only a running one can be stopped'],
  restart: [['running', 'error'], [], 'only a running one can be restarted'],
  pause: [['running'], [], 'only a running one can be paused'],
  unpause: [['paused'], [], 'only a paused one can be unpaused'],
  update: [['stopped', 'running', 'paused', 'error'], [], 'wait until it has settled'],
  delete: [['stopped', 'error', 'asleep'], ['creating', 'starting', 'running', 'stopping', 'restarting', 'pausing', 'paused'], 'stop it first, or delete it with force'],
};
const DURING = { create: 'creating', start: 'starting', stop: 'stopping', restart: 'restarting', pause: 'pausing', unpause: 'restarting', delete: 'deleting' };
const AFTER = { create: 'running', start: 'running', stop: 'stopped', restart: 'running', pause: 'paused', unpause: 'running' };

export class ApiFail extends Error {
  constructor(status, code, message, details = {}, headers = {}) {
    super(message);
    Object.assign(this, { status, code, details, headers });
  }
}

export class State {
  /** speed: ms that one step of an operation takes */
  constructor({ speed = 60 } = {}) {
    this.speed = speed;
    this.events = [];
    this.oldest = 0;
    this.listeners = new Set();
    this.instances = new Map();
    this.operations = new Map();
    this.images = new Map();
    this.tokens = new Map();
    this.audit = [];
    this.quotas = new Map();
    this.flavors = [['small', 1, 2, 20, 'Small instance'], ['medium', 2, 4, 40, 'Medium instance'], ['large', 4, 8, 80, '']].map(([name, vcpus, ramGB, diskGB, description]) => ({ name, vcpus, ramGB, diskGB, description }));
    this.keys = new Map();
    this.logs = new Map();
    this.sessions = new Map();
    this.answers = new Map(); // by their Idempotency-Key
    this.failures = 0;
    this.tenants = [this.makeTenant('main', 'Main', 1), this.makeTenant('lab', 'Laboratory', 2)];
    this.users = [{ id: id(), username: 'admin', password: 'correct-horse', role: 'admin', createdAt: now(), disabled: false }, { id: id(), username: 'ada', password: 'correct-horse', role: 'user', createdAt: now(), disabled: false }];
    this.members = [{ user: this.users[0].id, username: 'admin', role: 'owner', since: now() }, { user: this.users[1].id, username: 'ada', role: 'member', since: now() }];
    this.addImage({ name: 'lodge-base', aliases: ['base'], source: 'built', default: true, public: true, sizeBytes: 4404019, reference: 'localhost/lodge-base:1' });
    this.addImage({ name: 'nginx', aliases: ['web'], source: 'pull', sizeBytes: 49283072, reference: 'docker.io/library/nginx:alpine' });
  }

  makeTenant(slug, name, n) {
    return { id: id(), slug, name, createdAt: now(), network: { subnet: `10.90.${n}.0/24`, gateway: `10.90.${n}.1` }, codeNetwork: false };
  }

  emit(kind, subject, data = {}) {
    const inst = subject.type === 'instance' && this.instances.get(subject.id);
    if (inst) data = { ...data, version: ++inst.version };
    const ev = { id: (this.events.at(-1)?.id ?? this.oldest) + 1, at: now(), kind, tenant: 'main', subject, data };
    this.events.push(ev);
    for (const fn of this.listeners) fn(ev);
    return ev;
  }

  get last() {
    return this.events.at(-1)?.id ?? this.oldest;
  }

  /** Forget the past, as pruning does. */
  prune() {
    this.oldest = this.last;
    this.events = [];
  }

  addImage(o) {
    const image = { id: id(), aliases: [], kind: 'container', digest: 'sha256:' + randomBytes(32).toString('hex'), default: false, public: false, state: 'ready', error: null, tenant: 'main', createdAt: now(), ...o };
    this.images.set(image.id, image);
    return image;
  }

  // ── instances ──

  addInstance(body, owner = 'admin', state = 'creating') {
    const n = this.instances.size + 2;
    const c = body.config ?? {};
    const ports = (c.ports ?? []).map((p) => {
      const [, host, port, protocol] = /^(\d+):(\d+)(?:\/(\w+))?$/.exec(p) ?? [];
      return { hostAddress: '127.0.0.2', hostPort: Number(host), port: Number(port), protocol: protocol ?? 'tcp' };
    });
    const env = [...(c.env ?? []), ...(c.secretEnv ?? []).map((kv) => kv.split('=')[0] + '=********')];
    const sized = this.flavors.find((x) => x.name === body.flavor);
    const limit = sized ? sized.ramGB * 2 ** 30 : (body.resources?.memory?.limit ?? 268435456);
    const inst = {
      id: id(), uuid: randomUUID(), name: body.name, tenant: 'main', type: 'container', backend: 'docker', state, status: 'unknown', reason: null, flavor: body.flavor ?? null,
      config: { image: c.image ?? 'lodge-base', command: c.command ?? null, env, ports: c.ports ?? [], networkMode: 'bridge', restartPolicy: c.restartPolicy ?? 'no', volumes: [] },
      resources: { cpu: { cores: sized?.vcpus ?? body.resources?.cpu?.cores ?? 1 }, memory: { limit, used: 0 }, pending: [] }, labels: body.labels ?? {}, metadata: { labels: body.labels ?? {} },
      network: { address: `10.90.1.${n % 250}`, gateway: '10.90.1.1', subnet: '10.90.1.0/24', ports }, ingress: [], owner, operation: null, version: 1, createdAt: now(), updatedAt: now(), startedAt: state === 'running' ? now() : null,
    };
    if (body.type === 'vm') {
      Object.assign(inst, { type: 'vm', backend: 'kvm', config: { image: c.image ?? 'tiny', diskFormat: c.diskFormat ?? 'qcow2', networkType: 'bridge', networkSource: 'default', cloudInit: { userDataBytes: c.cloudInit?.userData?.length ?? 0, metaDataBytes: 0 }, sshKeys: c.sshKeys ?? [], firmware: c.firmware ?? 'bios', tpm: false, vcpusMax: 4, memoryMaxMiB: 2048 } });
      inst.volumes = (c.volumes ?? []).map((v) => ({ id: id(), name: v.split(':')[0], kind: 'block', hostPath: null, path: '', readOnly: v.endsWith(':ro') }));
      inst.networks = (c.networks ?? []).map((name) => ({ id: id(), name, address: '10.0.1.2', prefix: 24, mac: '02:6e:00:00:00:01' }));
      inst.resources = { cpu: inst.resources.cpu, memory: { limit, used: 0 }, storage: { totalSpace: sized ? sized.diskGB * 2 ** 30 : body.resources?.storage?.totalSpace ?? 10 * 2 ** 30 }, pending: [] };
    }
    this.instances.set(inst.id, inst);
    this.logs.set(inst.id, [{ stream: 'stdout', text: `${inst.name}: httpd listens on 8080\n` }]);
    return inst;
  }

  byName(name) {
    return [...this.instances.values()].find((i) => i.name === name);
  }

  instance(idOf) {
    const inst = this.instances.get(idOf);
    if (!inst) throw new ApiFail(404, 'INSTANCE_NOT_FOUND', 'there is no such instance');
    return inst;
  }

  setState(inst, state, reason = null) {
    const previous = inst.state;
    Object.assign(inst, { state, reason: reason && { code: null, exitCode: null, oomKilled: false, at: now(), log: null, ...reason }, updatedAt: now() });
    if (state === 'running') Object.assign(inst, { startedAt: now(), resources: { ...inst.resources, pending: [] } });
    this.emit('instance.state', { type: 'instance', id: inst.id, name: inst.name }, { state, previous, reason: inst.reason, address: inst.network.address });
  }

  refuse(verb, inst, force) {
    const [from, forced, why] = REFUSALS[verb];
    if (from.includes(inst.state) || (force && forced.includes(inst.state))) return;
    throw new ApiFail(409, 'INVALID_STATE', `the instance is ${inst.state}; ${why}`, { state: inst.state, verb });
  }

  // ── operations ──

  operation(kind, o, user) {
    const op = { id: id(), kind, status: 'queued', instance: null, instanceName: null, image: null, step: null, progress: null, log: [], error: null, requestedBy: user, cancellable: false, createdAt: now(), startedAt: null, endedAt: null, ...o };
    this.operations.set(op.id, op);
    this.tell(op, 'operation.created');
    return op;
  }

  tell(op, kind) {
    this.emit(kind, { type: 'operation', id: op.id, name: op.kind }, { operation: structuredClone(op) });
  }

  async steps(op, names) {
    Object.assign(op, { status: 'running', startedAt: now() });
    for (const [i, step] of names.entries()) {
      Object.assign(op, { step, progress: i / names.length });
      op.log.push(step);
      this.tell(op, 'operation.progress');
      await wait(this.speed);
      if (op.cancelled) throw new Error('cancelled');
    }
  }

  end(op, error) {
    if (op.endedAt) return;
    Object.assign(op, { status: error ? (op.cancelled ? 'cancelled' : 'failed') : 'done', error: error && !op.cancelled ? { code: 'BACKEND_ERROR', message: error.message } : null, progress: error ? op.progress : 1, endedAt: now(), cancellable: false });
    if (error) op.log.push(error.message);
    this.tell(op, 'operation.done');
  }

  /** Ask a verb of an instance: its state changes at once, the rest follows. */
  run(verb, inst, user) {
    const op = this.operation(`instance.${verb}`, { instance: inst.id, instanceName: inst.name }, user);
    if (inst.state !== DURING[verb]) this.setState(inst, DURING[verb]);
    inst.operation = op;
    this.work(verb, inst, op, user);
    return op;
  }

  async work(verb, inst, op, user) {
    try {
      await this.steps(op, verb === 'create' ? ['Preparing the network', 'Making the container', 'Starting'] : [`Asking the engine to ${verb}`]);
      const ends = /exit (\d+)$/.exec(inst.config.command?.join(' ') ?? '');
      if (ends && AFTER[verb] === 'running') this.exits(inst, Number(ends[1]));
      if (verb === 'delete') this.vanish(inst);
      else this.setState(inst, AFTER[verb], verb === 'stop' ? { text: `Stopped by ${user}.`, exitCode: 0 } : null);
      inst.operation = null;
      this.end(op);
    } catch (e) {
      if (!['error'].includes(inst.state)) this.setState(inst, 'error', { text: e.message });
      this.end(op, e);
    }
  }

  exits(inst, exitCode) {
    const log = 'starting\nno database at db:5432';
    this.setState(inst, 'error', { text: `exited with code ${exitCode} at ${now()}`, code: 'exited', exitCode, log });
    throw new Error(`it exited at once with code ${exitCode}`);
  }

  vanish(inst) {
    this.instances.delete(inst.id);
    this.emit('instance.deleted', { type: 'instance', id: inst.id, name: inst.name }, {});
  }

  async pull(image, user) {
    const op = this.operation(image.source === 'upload' ? 'image.import' : 'image.pull', { image: image.id, cancellable: true }, user);
    this.emit('image.created', { type: 'image', id: image.id, name: image.name });
    const work = async () => {
      await this.steps(op, ['Resolving', 'Layer 1 of 2', 'Layer 2 of 2', 'Storing']);
      if (/missing/.test(image.reference ?? '')) throw new Error(`${image.reference}: the registry has no such image`);
      Object.assign(image, { state: 'ready', sizeBytes: 12345678 });
      this.end(op);
      this.emit('image.updated', { type: 'image', id: image.id, name: image.name });
    };
    work().catch((e) => {
      Object.assign(image, { state: 'error', error: e.message });
      this.end(op, e);
      this.emit('image.updated', { type: 'image', id: image.id, name: image.name });
    });
    return op;
  }

  /** n instances in all kinds of states, for the look of a long list. */
  seed(n) {
    const states = ['running', 'running', 'running', 'stopped', 'running', 'error', 'paused'];
    for (let i = 1; i <= n; i++) {
      const inst = this.addInstance({ name: `app-${String(i).padStart(3, '0')}`, config: { image: i % 3 ? 'lodge-base' : 'nginx' }, labels: i % 2 ? { team: 'blue' } : {} }, i % 4 ? 'admin' : 'ada', states[i % states.length]);
      inst.createdAt = new Date(Date.now() - i * 3.7e6).toISOString();
      if (inst.state === 'error') inst.reason = { text: 'The program ended with exit code 137: it used more memory than its limit.', code: 'OOM', exitCode: 137, oomKilled: true, at: inst.createdAt, log: ['Killed'] };
      inst.network.address = `10.90.${Math.floor(i / 250) + 1}.${(i % 250) + 2}`;
    }
  }
}
