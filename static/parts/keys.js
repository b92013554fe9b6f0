// Text as key presses on a US keyboard, for screens that know keys alone (X11 key symbols).

const SHIFT = 0xffe1;
const NAMED = { '\n': 0xff0d, '\r': 0xff0d, '\t': 0xff09, '\b': 0xff08, '\x1b': 0xff1b };
const SHIFTED = /[A-Z~!@#$%^&*()_+{}|:"<>?]/;
const EVERY = 16; // characters between two pauses: a guest that boots reads its keyboard slowly

export function keysym(char) {
  const code = char.codePointAt(0);
  return NAMED[char] ?? (code >= 0x20 && code <= 0xff ? code : 0x01000000 | code);
}

/** Presses and releases each character's key: key(symbol, down). Resolves when all of it is typed. */
export async function typeText(text, key) {
  let n = 0;
  for (const char of text.replace(/\r\n/g, '\n')) {
    const shift = SHIFTED.test(char);
    if (shift) key(SHIFT, true);
    key(keysym(char), true);
    key(keysym(char), false);
    if (shift) key(SHIFT, false);
    if (++n % EVERY === 0) await new Promise((done) => setTimeout(done, 20));
  }
}
