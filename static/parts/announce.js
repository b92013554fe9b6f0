// What a screen reader is told without the focus moving. Many changes in a moment become one sentence.

import { h } from '../dom.js';

export const region = h('div', { class: 'sr-only', role: 'status', 'aria-live': 'polite' });
const queue = [];
let timer = 0;

function say() {
  timer = 0;
  region.textContent = queue.length > 4 ? `${queue.length} changes; the latest: ${queue.at(-1)}` : queue.join('. ');
  queue.length = 0;
}

export function announce(text) {
  queue.push(text);
  timer ||= setTimeout(say, 400);
}
