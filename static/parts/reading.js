// What a view reads before it can show anything: how that goes, why it failed, and how it is tried again.

import { button, fill, h, icon } from '../dom.js';
import { ApiError } from '../api.js';
import { on } from '../live.js';

/** Why `what` ("The volumes") is not there, with "Try again"; the return of the connection tries by itself. */
export function unread(what, e, again) {
  const el = h('div', { class: 'unread', role: 'alert' }, icon('alert'), h('p', null, h('strong', null, `${what} could not be read.`), ' ', h('span', { class: 'said' }, e.message)), button('Try again', { kind: 'small', onclick: again }));
  const off = on('conn', ({ state }) => {
    if (state !== 'online') return;
    off();
    if (el.isConnected) again();
  });
  return el;
}

/**
 * What `read` answers is drawn; until then, and when it fails, `el` says so. A later failure leaves what was drawn. `denied` is
 * said of 403 and 404. → {el, load}
 */
export function reading({ what, read, draw = () => {}, denied = '', waiting = 'Loading…' }) {
  const el = h('div', { class: 'reading' }, waiting && h('p', { class: 'quiet pad' }, waiting));
  let turn = 0;
  const show = (node) => {
    const held = el.contains(document.activeElement); // the button that goes had the focus
    fill(el, node);
    if (held) (el.querySelector('button') ?? document.querySelector('#main h1'))?.focus();
  };
  const load = async () => {
    const mine = ++turn;
    try {
      const got = await read();
      if (mine !== turn) return; // asked again meanwhile
      draw(got);
      show(null);
    } catch (e) {
      if (!(e instanceof ApiError)) console.error(e);
      if (mine !== turn || e.status === 401) return;
      show(denied && (e.status === 403 || e.status === 404) ? h('p', { class: 'quiet pad' }, denied) : unread(what, e, load));
    }
  };
  return { el, load };
}
