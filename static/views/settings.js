// Settings: a list of sections at the side, one section shown.

import { fill, h } from '../dom.js';
import { isAdmin } from '../parts/shell.js';
import { account, appearance } from './settings-account.js';
import { tokens } from './settings-tokens.js';
import { audit, members, tenants, users } from './settings-people.js';

const SECTIONS = [
  ['account', 'Account', account, false],
  ['tokens', 'API tokens', tokens, false],
  ['members', 'Members', members, false],
  ['appearance', 'Appearance', appearance, false],
  ['users', 'Users', users, true],
  ['tenants', 'Tenants', tenants, true],
  ['audit', 'Audit log', audit, false],
];

export default function settings(ctx) {
  const mine = SECTIONS.filter(([, , , admin]) => !admin || isAdmin());
  const links = mine.map(([key, word]) => h('a', { href: `#/settings/${key}` }, word));
  const body = h('div', { class: 'settings-body' });
  const handle = { title: 'Settings', node: h('div', { class: 'page' }, h('h1', null, 'Settings'), h('div', { class: 'settings' }, h('nav', { class: 'side', 'aria-label': 'Settings' }, links, h('a', { href: '#/api' }, 'API')), body)) };
  const show = (key) => {
    const i = Math.max(0, mine.findIndex((s) => s[0] === key));
    links.forEach((a, n) => (n === i ? a.setAttribute('aria-current', 'page') : a.removeAttribute('aria-current')));
    fill(body, mine[i][2](ctx));
    document.title = `${mine[i][1]} · Lodge`;
  };
  show(ctx.params.section);
  handle.update = (params) => (show(params.section), true);
  return handle;
}
