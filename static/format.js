// Numbers, times and sizes as people read them.

const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];

export function bytes(n) {
  if (n === null || n === undefined || Number.isNaN(n)) return '–';
  let u = 0;
  let v = n;
  while (v >= 1024 && u < UNITS.length - 1) {
    v /= 1024;
    u++;
  }
  return `${v >= 100 || u === 0 || Number.isInteger(v) ? Math.round(v) : v.toFixed(1)} ${UNITS[u]}`;
}

export const percent = (n) => (n === null || n === undefined ? '–' : `${n < 9.95 ? n.toFixed(1) : Math.round(n)} %`);

export function duration(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) return `${Math.floor(s / 3600)} h`;
  return `${Math.floor(s / 86400)} d`;
}

export function age(iso) {
  if (!iso) return '–';
  const ms = Date.now() - Date.parse(iso);
  return ms < 5000 ? 'now' : duration(ms);
}

export const ago = (iso) => {
  const a = age(iso);
  return a === '–' ? a : a === 'now' ? 'just now' : `${a} ago`;
};

const CLOCK = new Intl.DateTimeFormat(undefined, { hour: '2-digit', minute: '2-digit', second: '2-digit', hourCycle: 'h23' });
const FULL = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'medium', hourCycle: 'h23' });
export const clock = (iso) => (iso ? CLOCK.format(new Date(iso)) : '–');
export const full = (iso) => (iso ? FULL.format(new Date(iso)) : '–');

/** "256M", "1 GiB", "512" (MiB) → bytes; NaN when it is none of these */
export function parseSize(text) {
  const m = /^\s*(\d+(?:\.\d+)?)\s*([kmgt]?)i?b?\s*$/i.exec(text);
  if (!m) return NaN;
  const power = { '': 2, k: 1, m: 2, g: 3, t: 4 }[m[2].toLowerCase()];
  return Math.round(Number(m[1]) * 1024 ** power);
}

/** bytes → what parseSize reads, in the largest unit that needs no fraction */
export function sizeText(n) {
  const unit = ['T', 'G', 'M', 'K'].find((u) => n % parseSize(`1${u}`) === 0) ?? 'K';
  return `${n / parseSize(`1${unit}`)}${unit}`;
}

/** For a POSIX shell: quoted only when it must be. */
export const shell = (s) => (/^[A-Za-z0-9_@%+=:,./-]+$/.test(s) ? s : `'${s.replaceAll("'", "'\\''")}'`);

/** 'a b "c d"' → words, as a shell splits them (quotes and backslash; no expansion) */
export function splitWords(text) {
  const words = [];
  let word = null;
  let quote = '';
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quote) {
      if (c === quote) quote = '';
      else if (c === '\\' && quote === '"' && i + 1 < text.length) word += text[++i];
      else word += c;
    } else if (c === '"' || c === "'") {
      quote = c;
      word ??= '';
    } else if (c === '\\' && i + 1 < text.length) word = (word ?? '') + text[++i];
    else if (/\s/.test(c)) {
      if (word !== null) words.push(word);
      word = null;
    } else word = (word ?? '') + c;
  }
  if (word !== null) words.push(word);
  return words;
}
