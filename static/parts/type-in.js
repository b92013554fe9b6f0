// A line that is sent to the standard input of a program while it runs.

import { button, h, setBlocked } from '../dom.js';

/** `onsend(line)` shows what was sent. → {el, open(way): {type, end, interrupt}, close()} */
export function typeIn(onsend) {
  let way = null;
  let ended = false;
  const line = h('input', { class: 'mono', 'aria-label': 'Input for the program', placeholder: 'Input for the program', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off', enterkeyhint: 'send' });
  const send = h('button', { type: 'submit', class: 'btn' }, 'Send');
  const eof = button('End of input', { 'aria-keyshortcuts': 'Control+D', onclick: () => end() });
  const stop = button('Interrupt', { 'aria-keyshortcuts': 'Control+C', onclick: () => way?.interrupt() });
  const el = h('form', { class: 'type-in', 'aria-label': 'While it runs' }, line, send, eof, stop);

  const draw = () => {
    const no = way ? (ended ? 'Its input has ended.' : null) : 'Nothing runs that reads it.';
    line.disabled = Boolean(no);
    for (const btn of [send, eof]) setBlocked(btn, no);
    setBlocked(stop, way ? null : 'Nothing runs that reads it.');
  };
  const end = () => {
    if (!way || ended) return;
    way.end();
    ended = true;
    draw();
    stop.focus();
  };
  el.addEventListener('submit', (e) => {
    e.preventDefault();
    if (!way || ended) return;
    way.type(`${line.value}\n`);
    onsend(`${line.value}\n`);
    line.value = '';
    line.focus();
  });
  // as in a terminal: nothing typed and Ctrl-D, nothing selected and Ctrl-C
  line.addEventListener('keydown', (e) => {
    if (!e.ctrlKey || e.altKey || e.metaKey || e.shiftKey) return;
    const key = e.key.toLowerCase();
    if (key === 'd' && !line.value) end();
    else if (key === 'c' && line.selectionStart === line.selectionEnd) way?.interrupt();
    else return;
    e.preventDefault();
  });
  draw();
  return {
    el,
    open: (to) => {
      way = to;
      ended = false;
      draw();
      line.focus();
    },
    /** → did it have the focus, which is nowhere now? */
    close: () => {
      const held = el.contains(document.activeElement);
      way = null;
      line.value = '';
      draw();
      return held;
    },
  };
}
