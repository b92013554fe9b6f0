// What the tenant's quota leaves for one more instance, in one line; nothing where nothing is limited.

import { h, setText } from '../dom.js';
import { get } from '../api.js';
import { bytes } from '../format.js';
import { store } from '../live.js';

const PARTS = [
  ['instances', (n) => `${n} ${n === 1 ? 'instance' : 'instances'}`],
  ['cpu', (n) => `${Math.round(n * 1000) / 1000} cores`],
  ['memory', (n) => `${n ? bytes(n) : 'no'} memory`],
  ['storage', (n) => `${n ? bytes(n) : 'no'} storage`],
];

export function quotaLeft() {
  const el = h('p', { class: 'hint', role: 'status' });
  const session = store.session;
  const tenant = session.tenants?.find((t) => t.slug === session.tenant);
  if (!tenant) return el;
  get(`/tenants/${tenant.id}/quota`).then(({ quota, used }) => {
    const left = PARTS.filter(([key]) => quota[key] !== null && quota[key] !== undefined).map(([key, say]) => say(Math.max(0, quota[key] - used[key])));
    if (left.length) setText(el, `Left of the tenant’s quota: ${left.join(', ')}.`);
  }, () => {}); // a server without quotas limits nothing
  return el;
}
