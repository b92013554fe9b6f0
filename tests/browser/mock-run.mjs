// What mock.mjs serves of running code and of the service registry.

import { ApiFail } from './mock-state.mjs';

const language = (name, version, aliases, more = {}) => ({ name, version, aliases, title: name, state: 'ready', progress: 1, message: '', file: '', compiled: false, sessions: false, warm: 1, example: '', ...more });
const LANGUAGES = [language('python', '3.11', ['py'], { example: 'print("hello")\n' }), language('javascript', '18.20', ['js', 'node']), language('bash', '5.2', ['sh']),
  language('c', '12.2', []), language('sql', '', ['sqlite'], { state: 'absent', progress: 0 })];

/** `s.languages`: other details, for tests. One that is built gets further with each look. */
function languages(s) {
  s.languages ??= structuredClone(LANGUAGES);
  for (const l of s.languages) {
    if (l.state !== 'building') continue;
    l.progress += 0.5;
    if (l.progress > 1) Object.assign(l, { state: 'ready', version: '3.40', progress: 1 });
  }
  return { languages: s.languages.filter((l) => l.state === 'ready').map((l) => l.name), details: s.languages };
}

function prepare(s, name) {
  const l = s.languages.find((x) => x.name === name);
  Object.assign(l, { state: 'building', progress: 0.2, message: 'fetching and unpacking packages' });
  return l;
}

const service = (name, id, port, more = {}) => ({ name, id, address: '10.1.2.3', port, status: 'Healthy', metadata: {}, version: '1.0.0', own: false, ttlSeconds: 15, registeredAt: new Date(Date.now() - 3600e3).toISOString(), expiresAt: new Date(Date.now() + 9e3).toISOString(), ...more });
const own = (name, id, more = {}) => service(name, id, 8443, { address: 'localhost', own: true, ttlSeconds: 0, expiresAt: null, version: '0.1.0', ...more });

export function services(s) {
  s.services ??= new Map([own('lodge-api', 'local'), own('lodge-stream', 'local'), own('lodge-runner', 'local', { port: 0 }), own('container-api', 'local'), own('lodge-engine', 'docker', { port: 0, status: 'Unhealthy', metadata: { type: 'podman' } }),
    service('billing', 'a-rather-long-identifier-of-one-of-several:8080', 8080, { metadata: { zone: 'a', contact: 'somebody-with-a-long-address@example.org' } }), service('billing', 'b', 8081, { status: 'Starting' }), service('mail', '1', 25, { address: 'fd00::25', status: 'Stopping' })].map((x) => [`${x.name}/${x.id}`, x]));
  return s.services;
}

/** For tests: something happens in the registry. */
export function serviceEvent(s, kind, name, id, more = {}) {
  const key = `${name}/${id}`;
  const now = { ...(services(s).get(key) ?? service(name, id, 9000)), ...more };
  if (kind === 'registered' || kind === 'updated') services(s).set(key, now);
  else services(s).delete(key);
  s.emit(`service.${kind}`, { type: 'service', id: key, name }, { service: now });
}

// Who listens to a run: server-sent events, or a WebSocket that may also type.

function sseListener(res) {
  let id = 0;
  res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  return { say: (event, data) => res.write(`id: ${++id}\nevent: ${event}\ndata: ${JSON.stringify(data)}\n\n`), end: () => res.end(), cut: () => res.destroy(), onleave: (fn) => res.on('close', fn) };
}

function wsListener(ws) {
  return { say: (event, data) => ws.send(JSON.stringify(event === 'done' ? { [data.error ? 'failed' : 'done']: data } : data)), end: () => ws.close(1000), cut: () => ws.terminate(), onleave: (fn) => ws.on('close', fn) };
}

/** What is typed, line by line; null when the input has ended. */
function keyboard(ws) {
  let typed = '';
  let over = false;
  let wake = () => {};
  const take = (text) => ((typed += text), wake());
  ws.on('message', (data, binary) => {
    const msg = binary ? { stdin: String(data) } : JSON.parse(data);
    if (msg.stdin) take(msg.stdin);
    if (msg.interrupt) take('^C\n');
    if (msg.eof) take((over = true) && '');
  });
  return async () => {
    while (!typed.includes('\n') && !over) await new Promise((r) => (wake = r));
    const at = typed.indexOf('\n');
    if (at < 0) return null;
    const line = typed.slice(0, at);
    typed = typed.slice(at + 1);
    return line;
  };
}

/** The server writes a run down a moment after its end. */
function writeDown(s, run, end, output) {
  const { id, user, language, code } = run;
  const { success, exitCode, limit, timeMs, memoryBytes } = end;
  setTimeout(() => past(s).unshift({ id, user, language, success, exitCode, limit, error: null, timeMs, memoryBytes, queueMs: 0, codeBytes: Buffer.byteLength(code), code: code.slice(0, 16384), output: output.slice(0, 4096), createdAt: new Date().toISOString() }), 300);
}

/** What ran, newest first; tests put theirs in. */
export const past = (s) => (s.pastRuns ??= []);

function listPast(s, q) {
  const size = Number(q.get('pageSize') ?? 50);
  const at = q.get('cursor') ? past(s).findIndex((r) => r.id === q.get('cursor')) + 1 : 0;
  const runs = past(s).slice(at, at + size);
  return { body: { runs, total: past(s).length, page: 1, pageSize: size, next: at + size < past(s).length ? runs.at(-1).id : null } };
}

function addRun(s, body, user) {
  for (const f of body.files ?? []) if (/(^|\/)\.{0,2}(\/|$)/.test(f.path)) throw new ApiFail(400, 'INVALID_REQUEST', 'files.path must be relative, without empty, . or .. parts', { field: 'files.path' });
  if (body.limits?.memoryBytes > 2 ** 27) throw new ApiFail(403, 'RESOURCE_LIMIT_EXCEEDED', `limits.memoryBytes of ${body.limits.memoryBytes} is more than the tenant's code may have`, { limit: 'codeMemory', field: 'limits.memoryBytes', total: String(2 ** 27), scope: 'tenant', raisedBy: 'administrator' });
  if (s.codeTimeMs && body.limits?.timeMs > s.codeTimeMs) throw new ApiFail(403, 'RESOURCE_LIMIT_EXCEEDED', 'limits.timeMs is more than the tenant\'s code may have', { limit: 'codeTimeMs', field: 'limits.timeMs', total: String(s.codeTimeMs) });
  s.lastRun = body;
  if (s.refuseRuns) throw new ApiFail(429, 'RATE_LIMITED', 'too many runs of this tenant', {}, { 'Retry-After': '2' });
  const id = `run-${(s.runs = (s.runs ?? 0) + 1)}`;
  (s.kept ??= new Map()).set(id, { ...body, id, user: user.id, listened: 0, stop: () => {} });
  return { id, language: body.language, state: 'queued', stream: `/api/repl/runs/${id}/stream` };
}

function stopRun(s, id) {
  const run = s.kept?.get(id);
  if (!run) throw new ApiFail(404, 'NOT_FOUND', 'no such run is waiting or running');
  run.stop();
  s.kept.delete(id);
  return { status: 204 };
}

export const listen = (s, res, run) => play(s, run, sseListener(res), async () => null);
export const converse = (s, ws, run) => play(s, run, wsListener(ws), keyboard(ws));

/** The code is a script for the mock: a line "out …", "err …", "sleep ms", "hold" (until the test calls `letGo`), "exit n", "limit what", "many n"; "read" echoes the input, "ask" a line that is typed, "rest" counts what is typed to its end; "break" and "blink" lose the connection, always or once. */
async function play(s, run, to, typed, noteEnd = writeDown) {
  run.listened++;
  let written = '';
  let gone = false;
  let end = { exitCode: 0, signal: null, limit: null, timeMs: 12, memoryBytes: 9 << 20, success: true };
  s.running = (s.running ?? 0) + 1;
  to.onleave(() => {
    if (!gone) run.onleave?.();
    gone = true;
    s.running--;
  });
  const output = (stream, text) => {
    written += text;
    to.say('output', { stream, text });
  };
  const finish = () => {
    if (gone) return;
    to.say('done', run.sayEnd?.(end) ?? end);
    to.end();
    gone = true;
    noteEnd(s, run, end, written);
  };
  run.stop = () => {
    end = { ...end, limit: 'stopped', exitCode: null, success: false };
    finish();
  };
  to.say('state', { state: 'running', id: 'run' });
  for (const line of run.code.split('\n')) {
    const [word, rest = ''] = [line.split(' ')[0], line.split(' ').slice(1).join(' ')];
    if (gone) return;
    if (word === 'out') output('stdout', `${rest}\n`);
    else if (word === 'err') output('stderr', `${rest}\n`);
    else if (word === 'read') output('stdout', run.stdin);
    else if (word === 'ask') output('stdout', `${rest}${await typed()}\n`);
    else if (word === 'rest') {
      let n = 0;
      while ((await typed()) !== null) n++;
      output('stdout', `${n} lines\n`);
    } else if (word === 'many') for (let i = 0; i < Number(rest); i++) output('stdout', `${'x'.repeat(99)}\n`);
    else if (word === 'sleep') await new Promise((r) => setTimeout(r, Number(rest)));
    else if (word === 'pull') to.say('state', { state: 'pulling', text: rest });
    else if (word === 'hold') await new Promise((r) => (s.letGo = r));
    else if (word === 'exit') end = { ...end, exitCode: Number(rest), success: rest === '0' };
    else if (word === 'limit') end = { ...end, limit: rest, exitCode: null, signal: 'SIGKILL', success: false };
    else if (word === 'uncompiled') end = { ...end, exitCode: null, success: false, compile: { success: false, exitCode: 1 } };
    else if (word === 'break' || (word === 'blink' && run.listened === 1)) return void to.cut();
  }
  finish();
}

const oneshots = (s) => (s.oneshots ??= new Map());

/** For tests: a container of one command begins, runs, ends. */
export function oneshotEvent(s, kind, id, more = {}) {
  const c = { id, image: 'docker.io/library/alpine:3', state: kind === 'created' ? 'queued' : kind, exitCode: null, error: null, createdAt: new Date().toISOString(), endedAt: null, ...oneshots(s).get(id), ...more, ...(kind === 'created' ? {} : { state: kind }) };
  oneshots(s).set(id, c);
  s.emit(`container.${kind}`, { type: 'container', id, name: c.image }, { container: c });
}

function endOneshot(s, id) {
  oneshotEvent(s, 'ended', id, { error: 'stopped' });
  return { id, message: 'the container is ended and removed' };
}

/** POST of the streaming form; its command is such a script, apart by semicolons. */
export function runOnce(s, res, body) {
  if (!/^[\w./:@-]+$/.test(body.image ?? '')) throw new ApiFail(400, 'INVALID_REQUEST', 'image must be an image reference such as nginx:alpine or registry.example/app@sha256:…', { field: 'image' });
  if (/missing/.test(body.image)) throw new ApiFail(404, 'NOT_FOUND', `there is no container image called ${body.image}`);
  s.lastOnce = body;
  const id = `once-${(s.onces = (s.onces ?? 0) + 1)}`;
  for (const kind of ['created', 'running']) oneshotEvent(s, kind, id, { image: body.image });
  const sayEnd = ({ exitCode, success, limit }) => ({ id, message: exitCode ? `the container ended with exit code ${exitCode}` : 'the container ran to its end', exitCode, success, limit, timeMs: 40 });
  const code = [body.command ?? 'out by the image'].flat().join(' ').split(/;\s*/).join('\n');
  const run = { id, code, listened: 0, sayEnd, onleave: () => oneshotEvent(s, 'ended', id, { error: 'cancelled' }) };
  return play(s, run, sseListener(res), async () => null, (_, { id: ended }, { exitCode }) => oneshotEvent(s, 'ended', ended, { exitCode }));
}

const listed = (s) => [...oneshots(s).values()].filter((c) => c.state !== 'ended').map((c) => [`run-${c.id}`, c.id, c.image, c.state]);

const sessions = (s) => (s.replSessions ??= new Map());

/** For tests: somebody opens a session. */
export function openSession(s, id, more = {}) {
  const at = Date.now();
  sessions(s).set(id, { id, language: 'python', state: 'idle', user: s.users[0].id, ttlSeconds: 600, createdAt: new Date(at - 120e3).toISOString(), expiresAt: new Date(at + 485e3).toISOString(), ...more });
}

function endSession(s, id) {
  if (!sessions(s).delete(id)) throw new ApiFail(404, 'NOT_FOUND', 'there is no such session, or it has ended');
  return { status: 204 };
}

export const runRoutes = [
  ['GET', '/api/repl/languages', (s) => ({ body: languages(s) })],
  ['POST', '/api/repl/languages/:name/prepare', (s, r) => ({ status: 202, body: prepare(s, r.params.name) })],
  ['POST', '/api/repl/runs', (s, r) => ({ status: 201, body: addRun(s, r.body, r.user) })],
  ['GET', '/api/repl/runs', (s, r) => listPast(s, r.query)],
  ['DELETE', '/api/repl/runs/:id', (s, r) => stopRun(s, r.params.id)],
  ['GET', '/api/repl/sessions', (s) => ({ body: { sessions: [...sessions(s).values()] } })],
  ['DELETE', '/api/repl/sessions/:id', (s, r) => endSession(s, r.params.id)],
  ['GET', '/api/containers/list', (s) => ({ body: listed(s) })],
  ['DELETE', '/api/containers/:id', (s, r) => ({ body: endOneshot(s, r.params.id) })],
];
