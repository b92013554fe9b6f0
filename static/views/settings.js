// Settings: a list of sections at the side, one section shown.

import { fill, h } from '../dom.js';
import { isAdmin } from '../parts/shell.js';
import { loadPart, subContext } from '../router.js';
import { SETTINGS } from '../views.js';

export default function settings(ctx) {
  const mine = SETTINGS.filter(([, , , , admin]) => !admin || isAdmin());
  const links = mine.map(([key, word]) => h('a', { href: `#/settings/${key}` }, word));
  const grouped = mine.map(([, , , group], i) => [group !== mine[i - 1]?.[3] && h('span', { class: 'side-group' }, group), links[i]]);
  const body = h('div', { class: 'settings-body' });
  const handle = { title: 'Settings', node: h('div', { class: 'page' }, h('h1', null, 'Settings'), h('div', { class: 'settings' }, h('nav', { class: 'side', 'aria-label': 'Settings' }, grouped, h('a', { href: '#/api' }, 'API')), body)) };
  let part = null; // the context of the section that is shown
  const show = async ({ section, id }) => {
    const i = Math.max(0, mine.findIndex((s) => s[0] === section));
    links.forEach((a, n) => (n === i ? a.setAttribute('aria-current', 'page') : a.removeAttribute('aria-current')));
    requestAnimationFrame(() => links[i].parentNode.scrollTo({ left: links[i].offsetLeft - 60 })); // a strip where it is narrow
    part?.end();
    const own = (part = subContext({ ...ctx, params: { section, id } }));
    const open = await loadPart(mine[i][2]);
    if (own !== part) return;
    const made = open(own);
    fill(body, made.node ?? made);
    document.title = `${mine[i][1]} · Lodge`;
  };
  ctx.dispose(() => (part?.end(), (part = null)));
  show(ctx.params);
  handle.update = (params) => (show(params), true);
  return handle;
}
