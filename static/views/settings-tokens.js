// API tokens: created and shown once, listed with their last use, revoked.

import { button, fill, h, icon } from '../dom.js';
import { del, get, post } from '../api.js';
import { full } from '../format.js';
import { confirm, copy } from '../parts/dialog.js';
import { clearErrors, field, formError, input, select, showError } from '../parts/form.js';
import { reading } from '../parts/reading.js';
import { cell, nothing, table, when } from '../parts/table.js';
import { fail, toast } from '../parts/toast.js';

function secret(token, onclose) {
  const value = h('code', { class: 'token-value' }, token.token);
  const btn = button('Copy', { icon: 'copy', kind: 'primary', onclick: () => copy(token.token, btn) });
  const example = `curl -H "Authorization: Bearer ${token.token}" ${location.origin}/api/v1/compute/instances`;
  return h('section', { class: 'once', role: 'status' }, h('h3', null, icon('key'), `Token “${token.name}”`), h('p', null, 'Copy it now: it is shown only this once.'), h('div', { class: 'row' }, value, btn),
    h('pre', { tabindex: '0', 'aria-label': 'Example' }, example), button('I have it', { onclick: onclose }));
}

function expiry(t) {
  if (t.revokedAt) return h('span', { class: 'chip' }, 'revoked');
  if (!t.expiresAt) return 'never';
  if (Date.parse(t.expiresAt) < Date.now()) return h('span', { class: 'chip' }, 'expired');
  return h('time', { dateTime: t.expiresAt }, full(t.expiresAt));
}

export function tokens() {
  const listed = h('div', null);
  const shown = h('div', null);
  const draw = (page) => fill(listed, page.tokens.length ? table('API tokens', ['Name', 'Begins with', 'Tenant', 'Last used', 'Expires', ''], page.tokens.map(row)) : nothing('key', 'No tokens yet', 'A token is what curl, scripts and the lodge command sign in with.'));
  const { el, load } = reading({ what: 'The tokens', read: () => get('/tokens?pageSize=500'), draw });
  const revoke = async (t) => {
    if (!(await confirm({ title: `Revoke ${t.name}?`, text: ['Whatever uses it is signed out at once.'], verb: 'Revoke' }))) return;
    try {
      await del(`/tokens/${t.id}`);
      toast('good', `${t.name} revoked`);
      load();
    } catch (e) {
      fail('The token was not revoked', e);
    }
  };
  const row = (t) => h('tr', { role: 'row' }, cell('Name', h('strong', null, t.name)), cell('Begins with', h('code', null, t.prefix)), cell('Tenant', (t.tenant?.slug ?? t.tenant) || '–'), cell('Last used', when(t.lastUsedAt)), cell('Expires', expiry(t)),
    cell('', t.revokedAt ? null : button(`Revoke ${t.name}`, { icon: 'trash', iconOnly: true, kind: 'ghost', onclick: () => revoke(t) })));

  const name = field('Name', input({ placeholder: 'what will use it' }), { path: 'name' });
  const days = field('Expires', select([['30', 'in 30 days'], ['90', 'in 90 days'], ['365', 'in a year'], ['', 'never']], '90'), { path: 'expiresInDays' });
  const ok = h('button', { type: 'submit', class: 'btn primary' }, 'Create token');
  const form = h('form', { class: 'line-form', novalidate: true }, name, days, ok, formError());
  form.addEventListener('submit', async (e) => {
    e.preventDefault();
    clearErrors(form);
    const body = { name: name.control.value.trim() };
    if (days.control.value) body.expiresInDays = Number(days.control.value);
    try {
      const { data } = await post('/tokens', body);
      form.reset();
      fill(shown, secret(data, () => fill(shown)));
      load();
    } catch (err) {
      showError(form, err);
    }
  });
  load();
  return h('section', null, h('h2', null, 'API tokens'), form, shown, el, listed);
}
