// Running code: POST /api/repl/runs, then server-sent events of its stream, which EventSource could not read again from the
// beginning. Leaving (abort) ends the run at the server. A connection that is lost is not left: on the host itself a browser drops
// every connection when an interface comes or goes (ERR_NETWORK_CHANGED), which each container that starts does.

import { ApiError, hooks } from '../api.js';

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

/** Calls onevent for each event until the stream ends. */
async function follow(path, { signal, onevent }) {
  const res = await request('GET', path, { signal, accept: 'text/event-stream' });
  const reader = res.body.pipeThrough(new TextDecoderStream()).getReader();
  const parse = sseParser();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      for (const ev of parse(value)) onevent(ev);
    }
  } catch (e) {
    throw e.name === 'AbortError' ? e : new ApiError(0, 'OFFLINE', 'The connection was lost while it ran.');
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

/**
 * Runs what was `asked`: onid(id) once, onevent for each event, onagain() before all of them come anew. Resolves after the event
 * `done`. Rejects with ApiError, or AbortError when `signal` said so.
 */
export async function execute(asked, { signal, onid, onevent, onagain }) {
  const run = await persist(async () => (await request('POST', '/api/repl/runs', { signal, body: asked, accept: 'application/json' })).json());
  const lost = new ApiError(0, 'OFFLINE', 'The connection was lost while it ran.');
  let done = false;
  onid(run.id);
  await persist(async (tries) => {
    const look = (ev) => {
      done ||= ev.event === 'done';
      onevent(ev);
    };
    if (tries) onagain();
    try {
      await follow(`${run.stream}?format=json${tries ? '&again=true' : ''}`, { signal, onevent: look });
    } catch (e) {
      throw tries && e.status === 404 ? Object.assign(lost, { code: 'LOST' }) : e;
    }
    if (!done) throw lost;
  });
}

/** Ends a run; its stream tells it. */
export const stop = (id) => request('DELETE', `/api/repl/runs/${encodeURIComponent(id)}`, { accept: 'application/json' });
