// Running code: POST /api/repl/runs, then server-sent events of its stream, which EventSource could not read again from the
// beginning, or a WebSocket where somebody types. Leaving (abort) ends the run at the server. A connection that is lost is not left: on the host itself a browser drops
// every connection when an interface comes or goes (ERR_NETWORK_CHANGED), which each container that starts does.

import { ApiError, hooks, socketUrl } from '../api.js';

const LOST = 'The connection was lost while it ran.';
const LONGEST_MS = 3600000;
const PIECE = 32768; // bytes of input in one message

/** Cuts a text stream into events: feed(text) → [{id, event, data}] */
export function sseParser() {
  let rest = '';
  let ev = { id: '', event: '', data: null };
  return (text) => {
    const done = [];
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/);
    rest = lines.pop();
    for (const line of lines) {
      const colon = line.indexOf(':');
      const key = colon < 0 ? line : line.slice(0, colon);
      const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
      if (!line) {
        if (ev.data !== null || ev.event) done.push({ ...ev, data: ev.data ?? '' });
        ev = { id: ev.id, event: '', data: null };
      } else if (key === 'data') ev.data = ev.data === null ? value : `${ev.data}\n${value}`;
      else if (key === 'event' || key === 'id') ev[key] = value;
    }
    return done;
  };
}

async function refusal(res) {
  let error = {};
  try {
    ({ error } = JSON.parse(await res.text()));
  } catch {
    /* something in front of the API answered */
  }
  return new ApiError(res.status, error.code ?? `HTTP_${res.status}`, error.message ?? `The server answered ${res.status}.`, error.details ?? {}, Number(res.headers.get('Retry-After')) || 0);
}

async function request(method, path, { signal, body, accept }) {
  let res;
  try {
    res = await fetch(path, { method, credentials: 'same-origin', cache: 'no-store', signal, body: body && JSON.stringify(body),
      headers: { Accept: accept, 'Content-Type': 'application/json', 'Lodge-CSRF': '1' } });
  } catch (e) {
    throw e.name === 'AbortError' ? e : new ApiError(0, 'OFFLINE', 'The server cannot be reached.');
  }
  if (!res.ok) {
    if (res.status === 401) hooks.unauthorized();
    throw await refusal(res);
  }
  return res;
}

/** Calls onevent(name, data) for each event until the stream ends. */
async function follow(method, path, { signal, body, onevent }) {
  const res = await request(method, path, { signal, body, accept: 'text/event-stream' });
  const reader = res.body.pipeThrough(new TextDecoderStream()).getReader();
  const parse = sseParser();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      for (const { event, data } of parse(value)) onevent(event, JSON.parse(data));
    }
  } catch (e) {
    throw e.name === 'AbortError' ? e : new ApiError(0, 'OFFLINE', LOST);
  }
}

const PAUSES = [0, 100, 200, 400, 800];
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** As long as the network alone is at fault. */
async function persist(fn) {
  for (let i = 0; ; i++) {
    try {
      return await fn(i);
    } catch (e) {
      if (e.code !== 'OFFLINE' || i === PAUSES.length) throw e;
      await pause(PAUSES[i]);
    }
  }
}

/** Somebody types: it gets as long as the host, which lowers it, and the tenant allow. */
async function submit(asked, signal) {
  const send = async (body) => (await request('POST', '/api/repl/runs', { signal, body, accept: 'application/json' })).json();
  if (!asked.interactive || asked.limits?.timeMs) return send(asked);
  const within = (timeMs) => send({ ...asked, limits: { ...asked.limits, timeMs } });
  try {
    return await within(LONGEST_MS);
  } catch (e) {
    if (e.details?.field !== 'limits.timeMs') throw e;
    return within(Number(e.details.total));
  }
}

/** By server-sent events, from the beginning again after a lost connection. → its end */
async function hear(run, { signal, onoutput, onagain }) {
  let end = null;
  const onevent = (name, data) => {
    if (name === 'output') onoutput(data.stream, data.text);
    if (name === 'done') end = data;
  };
  await persist(async (tries) => {
    if (tries) onagain();
    try {
      await follow('GET', `${run.stream}?format=json${tries ? '&again=true' : ''}`, { signal, onevent });
    } catch (e) {
      throw tries && e.status === 404 ? new ApiError(0, 'LOST', LOST) : e;
    }
    if (!end) throw new ApiError(0, 'OFFLINE', LOST);
  });
  return end;
}

const CLOSED = { 1013: 'The program does not read its input.' };

/** Over a WebSocket, both ways. Once it was open its loss ends the run: what was typed cannot be told again. → its end */
const talk = (run, { signal, onoutput, onopen }) => persist(() => new Promise((resolve, reject) => {
  signal.throwIfAborted();
  const ws = new WebSocket(socketUrl(run.stream, ''));
  let opened = false;
  const say = (what) => ws.readyState === WebSocket.OPEN && ws.send(what);
  const type = (text) => {
    const all = new TextEncoder().encode(text);
    for (let at = 0; at < all.length; at += PIECE) say(all.subarray(at, at + PIECE));
  };
  signal.addEventListener('abort', () => {
    ws.close();
    reject(signal.reason);
  }, { once: true });
  ws.onopen = () => {
    opened = true;
    onopen({ type, end: () => say('{"eof":true}'), interrupt: () => say('{"interrupt":true}') });
  };
  ws.onmessage = (e) => {
    const msg = JSON.parse(e.data);
    if (msg.text !== undefined) onoutput(msg.stream, msg.text);
    if (msg.done ?? msg.failed) resolve(msg.done ?? msg.failed);
  };
  ws.onclose = (e) => {
    if (e.code === 4401) hooks.unauthorized();
    reject(new ApiError(0, opened ? 'LOST' : 'OFFLINE', CLOSED[e.code] ?? LOST)); // nothing, when it has ended
  };
}));

/**
 * Runs what was `asked`: onid(id) once, onoutput('stdout' | 'stderr', text) as it comes, onagain() before all of it comes anew, onopen(
 * {type(text), end(), interrupt()}) when its input is open (`asked.interactive`). → how it ended, as the server says it. Rejects with
 * ApiError, or AbortError when `signal` said so.
 */
export async function execute(asked, on) {
  const run = await persist(() => submit(asked, on.signal));
  on.onid(run.id);
  return asked.interactive ? talk(run, on) : hear(run, on);
}

/** Ends a run; its stream tells it. */
export const stop = (id) => request('DELETE', `/api/repl/runs/${encodeURIComponent(id)}`, { accept: 'application/json' });

/**
 * A container for one command: onoutput('stdout' | 'stderr', text) as it comes, onpull(text) while its image is fetched. → how it
 * ended. Nothing of it can be told again, and leaving (`signal`) ends it.
 */
export async function runOnce(asked, { signal, onoutput, onpull }) {
  let end = null;
  await follow('POST', '/api/containers/create/stream?format=json', { signal, body: asked, onevent: (name, data) => {
    if (name === 'output') onoutput(data.stream, data.text);
    if (name === 'state' && data.state === 'pulling') onpull(data.text);
    if (name === 'done') end = data;
  } });
  if (!end) throw new ApiError(0, 'LOST', LOST);
  return end;
}
