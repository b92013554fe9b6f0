// Running code over POST /api/repl/execute/stream: server-sent events in the answer of a request with a body, which EventSource
// cannot do. Leaving (abort) ends the run at the server.

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

/** Sends `body`, calls onevent for each event until the stream ends. Rejects with ApiError, or AbortError when `signal` said so. */
export async function stream(path, body, { signal, onevent }) {
  let res;
  try {
    res = await fetch(path, { method: 'POST', credentials: 'same-origin', cache: 'no-store', signal, body: JSON.stringify(body),
      headers: { Accept: 'text/event-stream', 'Content-Type': 'application/json', 'Lodge-CSRF': '1' } });
  } catch (e) {
    throw e.name === 'AbortError' ? e : new ApiError(0, 'OFFLINE', 'The server cannot be reached.');
  }
  if (!res.ok) {
    if (res.status === 401) hooks.unauthorized();
    throw await refusal(res);
  }
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
