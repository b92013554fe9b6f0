// What mock.mjs serves of running code and of the service registry.

const LANGUAGES = [
  { name: 'python', version: '3.11', aliases: ['py'], example: 'print("hello")\n' },
  { name: 'javascript', version: '18.20', aliases: ['js', 'node'] },
  { name: 'bash', version: '5.2', aliases: ['sh'] },
  { name: 'c', version: '12.2', aliases: [] },
  { name: 'sql', version: '3.40', aliases: ['sqlite'] },
];

export const languages = (s) => ({ languages: s.languages ?? LANGUAGES.map((l) => l.name), details: s.languages ? [] : LANGUAGES });

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

const send = (res, event, data, id) => res.write(`id: ${id}\n${event ? `event: ${event}\n` : ''}${data.split('\n').map((line) => `data: ${line}`).join('\n')}\n\n`);

/** The code is a script for the mock: a line "out …", "err …", "sleep ms", "exit n", "limit what", "many n"; "read" echoes the input. */
export async function execute(s, res, body) {
  let id = 0;
  let end = { exitCode: 0, signal: null, limit: null, timeMs: 12, memoryBytes: 9 << 20, success: true };
  s.runs = (s.runs ?? 0) + 1;
  s.running = (s.running ?? 0) + 1;
  let gone = false;
  res.on('close', () => ((gone = true), s.running--));
  res.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' });
  for (const line of body.code.split('\n')) {
    const [word, rest = ''] = [line.split(' ')[0], line.split(' ').slice(1).join(' ')];
    if (gone) return;
    if (word === 'out') send(res, '', `${rest}\n`, ++id);
    else if (word === 'err') send(res, 'stderr', `${rest}\n`, ++id);
    else if (word === 'read') send(res, '', body.stdin, ++id);
    else if (word === 'many') for (let i = 0; i < Number(rest); i++) send(res, '', `${'x'.repeat(99)}\n`, ++id);
    else if (word === 'sleep') await new Promise((r) => setTimeout(r, Number(rest)));
    else if (word === 'exit') end = { ...end, exitCode: Number(rest), success: rest === '0' };
    else if (word === 'limit') end = { ...end, limit: rest, exitCode: null, signal: 'SIGKILL', success: false };
    else if (word === 'break') return void res.destroy();
  }
  send(res, 'done', JSON.stringify(end), ++id);
  res.end();
}
