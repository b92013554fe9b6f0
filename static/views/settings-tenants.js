// Tenants, and of each: what it may have, what it has, who belongs to it.

import { button, fill, h } from '../dom.js';
import { del, get, post, request } from '../api.js';
import { ago, bytes, parseSize } from '../format.js';
import { formDialog } from '../parts/dialog.js';
import { field, input } from '../parts/form.js';
import { isAdmin, tenantsChanged } from '../parts/shell.js';
import { reading } from '../parts/reading.js';
import { act, cell, change, lineForm, listing, nothing, row, table, when } from '../parts/table.js';
import { toast } from '../parts/toast.js';
import { membersOf, tenantNow } from './settings-people.js';

const count = (n) => String(n);
// [key of the API, word, how it is shown, how it is read, hint]
const LIMITS = [
  ['instances', 'Instances', count, Number, ''],
  ['cpu', 'CPU cores', (n) => String(Math.round(n * 100) / 100), Number, ''],
  ['memory', 'Memory', bytes, parseSize, 'Such as 8G'],
  ['storage', 'Storage', bytes, parseSize, 'Such as 100G'],
  ['ingress', 'Ingress rules', count, Number, ''],
  ['tokens', 'API tokens', count, Number, ''],
];
const seconds = (ms) => `${ms / 1000} s`;
const parseSeconds = (text) => Math.round(Number(text) * 1000);
// Of one run of code: nothing of them is used up.
const CEILINGS = [
  ['codeTimeMs', 'Time of a code run', seconds, parseSeconds, 'Seconds'],
  ['codeMemory', 'Memory of a code run', bytes, parseSize, 'Such as 128M'],
  ['codeOutput', 'Output of a code run', bytes, parseSize, 'Such as 64K'],
];

const asTyped = (read, n) => {
  if (n === null || n === undefined) return '';
  if (read === parseSeconds) return String(n / 1000);
  if (read !== parseSize) return String(n);
  const unit = [[2 ** 40, 'T'], [2 ** 30, 'G'], [2 ** 20, 'M']].find(([size]) => n >= size && n % size === 0);
  return unit ? n / unit[0] + unit[1] : `${n / 1024}K`;
};

function bar([key, word, show], quota, used) {
  const limit = quota[key];
  const has = used[key] ?? 0;
  const none = limit === null || limit === undefined;
  const share = none ? 0 : limit > 0 ? Math.min(1, has / limit) : 1;
  const full_ = !none && has >= limit;
  return h('li', { class: 'quota', dataset: { tone: full_ ? 'bad' : share > 0.8 ? 'busy' : 'good' } }, h('span', null, word), h('span', { class: 'num' }, show(has), h('span', { class: 'quiet' }, none ? ', no limit' : ` of ${show(limit)}`), full_ ? h('span', { class: 'quota-word' }, 'full') : null),
    none ? h('span', { class: 'meter-none', 'aria-hidden': 'true' }) : h('progress', { max: '1', value: share, 'aria-label': `${word} used` }));
}

function ceiling([key, word, show], quota) {
  const limit = quota[key];
  return h('li', { class: 'quota', dataset: { tone: 'good' } }, h('span', null, word), h('span', { class: 'num' }, limit === null || limit === undefined ? h('span', { class: 'quiet' }, 'what the host allows') : `at most ${show(limit)}`), h('span', { class: 'meter-none', 'aria-hidden': 'true' }));
}

function editQuota(tenant, page, load) {
  const all = [...LIMITS, ...CEILINGS];
  const fields = all.map(([key, word, , read, hint]) => field(word, input({ value: asTyped(read, page.quota[key]), placeholder: 'no limit', spellcheck: 'false', inputmode: hint ? 'text' : 'decimal' }), { path: key, hint }));
  formDialog({ title: `Limits of ${tenant.name || tenant.slug}`, fields: [h('p', { class: 'quiet' }, 'Empty means no limit. What exists already stays, even above a new limit.'), h('div', { class: 'pair' }, fields)], verb: 'Save', send: async () => {
    const body = {};
    all.forEach(([key, , , read], i) => {
      const text = fields[i].control.value.trim();
      if (!text) return;
      const n = read(text);
      if (!(n >= 0)) throw Object.assign(new Error('That is no amount.'), { details: { field: key } });
      body[key] = n;
    });
    try {
      await request('PUT', `/tenants/${tenant.id}/quota`, body, { headers: { 'If-Match': `"${page.version}"` } });
    } catch (e) {
      if (e.status === 412) throw Object.assign(new Error('Somebody else changed the limits meanwhile. Close this and look at theirs first.'), { details: {} });
      throw e;
    }
    toast('good', 'Limits saved');
    load();
  } });
}

export function quotaOf(tenant) {
  const draw = (page, load) => [h('ul', { class: 'quotas' }, LIMITS.map((l) => bar(l, page.quota, page.used)), CEILINGS.map((l) => ceiling(l, page.quota))),
    h('p', { class: 'row quiet' }, h('span', null, page.updatedAt ? `Set ${ago(page.updatedAt)}.` : 'Never set: as much as the host has.', isAdmin() ? '' : ' An administrator can raise it.'), isAdmin() ? button('Change limits', { icon: 'edit', onclick: () => editQuota(tenant, page, load) }) : null)];
  return listing({ title: `Quota of ${tenant.name || tenant.slug}`, text: 'What the tenant may have at most, all its instances together, and one run of its code.', path: `/tenants/${tenant.id}/quota`, draw, denied: 'This server keeps no quota for tenants.' }).node;
}

export const quota = () => quotaOf(tenantNow());

// ── tenants, for admins ────────────────────────────────────────────────────────────────────────────

function tenantRow(t, load) {
  const remove = () => change({ ask: { title: `Delete ${t.slug}?`, text: ['Its network goes with it. A tenant that still has instances is refused.'], verb: 'Delete', typed: t.slug }, send: () => del(`/tenants/${t.id}`), said: `${t.slug} deleted`, failed: `${t.slug} was not deleted`, reload: () => Promise.all([load(), tenantsChanged()]) });
  return row(cell('Tenant', h('a', { class: 'name', href: `#/settings/tenants/${t.id}` }, t.slug)), cell('Name', t.name || '–'), cell('Network', h('span', { class: 'num' }, t.network?.subnet ?? '–')), cell('Created', when(t.createdAt)), cell('', act(`Delete ${t.slug}`, 'trash', remove)));
}

/** Whether its code runs reach its instances and the Internet. An administrator says so. */
function codeOf(tenant, load) {
  const on = Boolean(tenant.codeNetwork);
  const ask = { title: `Give the code of ${tenant.slug} a network?`, text: ['Code runs, sessions and containers for one command then reach the tenant’s instances and what those reach, the Internet too. Never this host, and no other tenant.'], verb: 'Allow' };
  const flip = () => change({ ask: on ? null : ask, send: () => request('PUT', `/tenants/${tenant.id}`, { codeNetwork: !on }), said: on ? 'Code has no network any more' : 'Code is on the tenant’s network', failed: 'It was not changed', reload: load });
  return h('section', null, h('h2', null, 'Code runs'), h('p', { class: 'row quiet' }, h('span', null, on ? `They are on the tenant’s network, ${tenant.network?.subnet ?? ''}.` : 'They have no network.'), isAdmin() ? button(on ? 'Take the network away' : 'Allow the network', { icon: 'edit', onclick: flip }) : null));
}

/** One tenant: its quota, its code's network, and its members. */
function tenantPage(id) {
  const body = h('div', null);
  const { el, load } = reading({ what: 'The tenant', read: () => get('/tenants?pageSize=500'), draw: ({ tenants: all }) => {
    const t = all.find((x) => x.id === id);
    fill(body, t ? [quotaOf(t), codeOf(t, load), membersOf(t)] : nothing('alert', 'There is no such tenant', 'It may have been deleted.'));
  } });
  load();
  return h('section', null, h('div', { class: 'crumb' }, h('a', { href: '#/settings/tenants' }, 'Tenants')), el, body);
}

export function tenants(ctx) {
  if (ctx.params.id) return tenantPage(ctx.params.id);
  const form = (load) => {
    const slug = field('Short name', input({ spellcheck: 'false', autocapitalize: 'off' }), { path: 'slug', hint: 'Small letters, digits, hyphens' });
    const name = field('Name', input(), { path: 'name' });
    const send = () => post('/tenants', { slug: slug.control.value.trim(), ...(name.control.value.trim() ? { name: name.control.value.trim() } : {}) });
    return lineForm([slug, name], 'Add tenant', send, () => Promise.all([load(), tenantsChanged()]));
  };
  return listing({ title: 'Tenants', form, path: '/tenants?pageSize=500', draw: (page, load) => table('Tenants', ['Tenant', 'Name', 'Network', 'Created', ''], page.tenants.map((t) => tenantRow(t, load))) }).node;
}
