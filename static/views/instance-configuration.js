// Configuration: the instance as the API has it.

import { button, h, setText } from '../dom.js';
import { copy } from '../parts/dialog.js';

export function configuration(ctx, inst) {
  const pre = h('pre', { class: 'json', tabindex: '0', 'aria-label': 'The instance as JSON' });
  const show = (i) => setText(pre, JSON.stringify(i, null, 2));
  const btn = button('Copy', { icon: 'copy', kind: 'small', onclick: () => copy(pre.textContent, btn) });
  show(inst);
  return { node: h('div', null, h('div', { class: 'row' }, h('p', { class: 'quiet' }, 'As the API answers it. Secret values are masked.'), btn), pre), update: show };
}
