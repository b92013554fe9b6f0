// The native API. Every write carries the CSRF header; every failure is an ApiError with the server's own envelope.

import { bytes } from './format.js';

const BASE = '/api/v1';

// The unit that an error's details name → how its amounts are shown instead.
const AMOUNTS = { bytes, 'thousandths of a core': (n) => `${n / 1000} cores` };

/** The server counts in bytes and thousandths; its sentence says so many digits. */
function readable(message, { unit } = {}) {
  const show = AMOUNTS[unit];
  return show ? message.replace(new RegExp(`(\\d+)( ${unit})?`, 'g'), (all, n) => show(Number(n))) : message;
}

export class ApiError extends Error {
  constructor(status, code, message, details = {}, retryAfter = 0) {
    super(readable(message, details));
    this.status = status;
    this.code = code;
    this.details = details;
    this.retryAfter = retryAfter;
  }
}

/** Called when a request is answered 401, so that the app can show the sign-in. Set once by app.js. */
export const hooks = { unauthorized: () => {} };

const FALLBACK = {
  413: 'That is larger than the server accepts.',
  429: 'Too many requests. Wait a moment and try again.',
  502: 'The server is not answering. It may be restarting.',
  503: 'The server is busy. Try again in a moment.',
  504: 'The server took too long to answer.',
};

function toError(status, text, retryAfter) {
  try {
    const { error } = JSON.parse(text);
    if (error?.code) return new ApiError(status, error.code, error.message, error.details ?? {}, retryAfter);
  } catch {
    /* not JSON: something in front of the API answered */
  }
  return new ApiError(status, 'HTTP_' + status, FALLBACK[status] ?? `The server answered ${status}.`, {}, retryAfter);
}

const operationOf = (location) => location?.split('/').pop() ?? null;

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Tried again when the network blinked, if doing it twice is doing it once; `twice` is then true. */
async function exchange(url, init, repeat) {
  const pauses = repeat ? [150, 500, 1000] : [];
  for (let twice = false; ; twice = true) {
    try {
      const res = await fetch(url, init);
      return { res, text: await res.text(), twice };
    } catch (e) {
      if (e.name === 'AbortError') throw e;
      if (!pauses.length) throw new ApiError(0, 'OFFLINE', 'The server cannot be reached.');
      await sleep(pauses.shift());
    }
  }
}

/** → {data, operation: id|null, status}. `quiet`: a 401 is the caller's to handle. `repeat`: it may be sent twice. `base`: '' for
 *  the APIs without the prefix. */
export async function request(method, path, body, { base = BASE, headers = {}, quiet = false, repeat = method !== 'POST', signal } = {}) {
  const init = { method, headers: { Accept: 'application/json', ...headers }, credentials: 'same-origin', cache: 'no-store', signal };
  if (method !== 'GET') init.headers['Lodge-CSRF'] = '1';
  if (body !== undefined) {
    init.headers['Content-Type'] = 'application/json';
    init.body = JSON.stringify(body);
  }
  const { res, text, twice } = await exchange(base + path, init, repeat);
  if (twice && method === 'DELETE' && res.status === 404) return { data: null, operation: null, status: 204 };
  if (!res.ok) {
    const err = toError(res.status, text, Number(res.headers.get('Retry-After')) || 0);
    if (res.status === 401 && !quiet) hooks.unauthorized();
    throw err;
  }
  let data = null;
  if (text && (res.headers.get('Content-Type') ?? '').includes('json')) data = JSON.parse(text);
  return { data, operation: operationOf(res.headers.get('Operation-Location')), status: res.status };
}

export const get = async (path, opts) => (await request('GET', path, undefined, opts)).data;
export const post = (path, body, opts) => request('POST', path, body, opts);
export const put = (path, body, opts) => request('PUT', path, body, opts);
export const del = (path, opts) => request('DELETE', path, undefined, opts);

/** Every page of a list, up to `max` items: `key` names the array in the answer. → {items, total} */
export async function all(path, key, max = 5000) {
  const items = [];
  let total = 0;
  let query = 'pageSize=500';
  do {
    const page = await get(`${path}${path.includes('?') ? '&' : '?'}${query}`);
    items.push(...(page[key] ?? []));
    total = page.total ?? items.length;
    query = page.next ? `pageSize=500&cursor=${encodeURIComponent(page.next)}` : '';
  } while (query && items.length < max);
  return { items, total: Math.max(total, items.length) };
}

/** A file as the request's body, with progress (fetch cannot tell it). onProgress(0…1) */
export function upload(path, file, type, onProgress) {
  const xhr = new XMLHttpRequest();
  const done = new Promise((resolve, reject) => {
    xhr.open('POST', BASE + path);
    xhr.setRequestHeader('Lodge-CSRF', '1');
    xhr.setRequestHeader('Content-Type', type);
    xhr.setRequestHeader('Accept', 'application/json');
    xhr.upload.onprogress = (e) => e.lengthComputable && onProgress(e.loaded / e.total);
    xhr.onerror = () => reject(new ApiError(0, 'OFFLINE', 'The upload was interrupted. The server cannot be reached.'));
    xhr.onabort = () => reject(new ApiError(0, 'ABORTED', 'The upload was cancelled.'));
    xhr.onload = () => {
      if (xhr.status === 401) hooks.unauthorized();
      if (xhr.status >= 400) return reject(toError(xhr.status, xhr.responseText, 0));
      resolve({ data: JSON.parse(xhr.responseText || 'null'), operation: operationOf(xhr.getResponseHeader('Operation-Location')) });
    };
    xhr.send(file);
  });
  return { done, abort: () => xhr.abort() };
}

export const socketUrl = (path, base = BASE) => `${location.protocol === 'https:' ? 'wss:' : 'ws:'}//${location.host}${base}${path}`;
