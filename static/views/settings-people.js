// Members of the tenant; and for admins users and tenants; the audit log.

import { button, fill, h, setText } from '../dom.js';
import { del, get, post, put } from '../api.js';
import { full } from '../format.js';
import { store } from '../live.js';
import { confirm } from '../parts/dialog.js';
import { clearErrors, field, formError, input, select, showError } from '../parts/form.js';
import { fail, toast } from '../parts/toast.js';
import { cell, table, when } from './settings-tokens.js';

/** A form in one line that posts and reloads. */
function lineForm(fields, verb, send, reload) {
  const ok = h('button', { type: 'submit', class: 'btn primary' }, verb);
  const form = h('form', { class: 'line-form', novalidate: true }, fields, ok, formError());
  form.addEventListener('submit', async (e) => {
    e.preventDefault();
    clearErrors(form);
    ok.disabled = true;
    try {
      await send();
      form.reset();
      reload();
    } catch (err) {
      showError(form, err);
    }
    ok.disabled = false;
  });
  return form;
}

/** Ask, send, say, reload. */
async function change({ ask, send, said, failed, reload }) {
  if (ask && !(await confirm(ask))) return;
  try {
    await send();
    toast('good', said);
  } catch (e) {
    fail(failed, e);
  }
  reload();
}

const act = (label, ic, fn) => button(label, { icon: ic, iconOnly: true, kind: 'ghost', onclick: fn });

function section(title, form, path, draw) {
  const listed = h('div', null, h('p', { class: 'quiet pad' }, 'Loading…'));
  const load = async () => {
    try {
      fill(listed, draw(await get(path), load));
    } catch (e) {
      fill(listed, h('p', { class: 'quiet pad' }, e.status === 403 || e.status === 404 ? 'This is for the owners of the tenant.' : e.message));
    }
  };
  load();
  return h('section', null, h('h2', null, title), form?.(load), listed);
}

const tenantNow = () => {
  const t = store.session.tenant;
  const slug = t?.slug ?? t;
  return store.session.tenants.find((x) => x.slug === slug || x.id === slug) ?? (typeof t === 'object' ? t : { id: slug, slug });
};

export function members() {
  const tenant = tenantNow();
  const path = `/tenants/${tenant.id}/members`;
  const form = (load) => {
    const name = field('User name', input({ spellcheck: 'false', autocapitalize: 'off' }), { path: 'username user' });
    const role = field('Role', select([['member', 'Member'], ['owner', 'Owner']], 'member'), { path: 'role' });
    return lineForm([name, role], 'Add member', () => post(path, { username: name.control.value.trim(), role: role.control.value }), load);
  };
  return section(`Members of ${tenant.name || tenant.slug}`, form, path, (page, load) =>
    table('Members', ['User', 'Role', 'Since', ''], page.members.map((m) => h('tr', { role: 'row' }, cell('User', h('strong', null, m.username)), cell('Role', m.role), cell('Since', when(m.since)),
      cell('', act(`Remove ${m.username}`, 'trash', () => change({ ask: { title: `Remove ${m.username}?`, text: [`They lose every access to ${tenant.name || tenant.slug} at once.`], verb: 'Remove' }, send: () => del(`${path}/${m.user?.id ?? m.user}`), said: `${m.username} removed`, failed: `${m.username} was not removed`, reload: load })))))));
}

export function users() {
  const form = (load) => {
    const name = field('User name', input({ spellcheck: 'false', autocapitalize: 'off' }), { path: 'username' });
    const pass = field('Password', input({ type: 'password', autocomplete: 'new-password' }), { path: 'password' });
    const role = field('Role', select([['user', 'User'], ['admin', 'Admin']], 'user'), { path: 'role' });
    return lineForm([name, pass, role], 'Add user', () => post('/users', { username: name.control.value.trim(), password: pass.control.value, role: role.control.value }), load);
  };
  return section('Users', form, '/users', (page, load) =>
    table('Users', ['User', 'Role', 'Created', 'Sign-in', ''], page.users.map((u) => {
      const self = u.id === store.session.user.id;
      const flip = () => change({ send: () => put(`/users/${u.id}`, { disabled: !u.disabled }), said: `${u.username} ${u.disabled ? 'may sign in again' : 'can no longer sign in'}`, failed: `${u.username} was not changed`, reload: load });
      const remove = () => change({ ask: { title: `Delete ${u.username}?`, text: ['Their sessions and tokens end at once.'], verb: 'Delete', typed: u.username }, send: () => del(`/users/${u.id}`), said: `${u.username} deleted`, failed: `${u.username} was not deleted`, reload: load });
      return h('tr', { role: 'row' }, cell('User', h('strong', null, u.username), self ? h('span', { class: 'chip' }, 'you') : null), cell('Role', u.role), cell('Created', when(u.createdAt)), cell('Sign-in', u.disabled ? 'disabled' : 'allowed'),
        cell('', self ? null : [button(u.disabled ? 'Enable' : 'Disable', { kind: 'small', 'aria-label': `${u.disabled ? 'Enable' : 'Disable'} ${u.username}`, onclick: flip }), act(`Delete ${u.username}`, 'trash', remove)]));
    })));
}

export function tenants() {
  const form = (load) => {
    const slug = field('Short name', input({ spellcheck: 'false', autocapitalize: 'off' }), { path: 'slug', hint: 'Small letters, digits, hyphens' });
    const name = field('Name', input(), { path: 'name' });
    const send = () => post('/tenants', { slug: slug.control.value.trim(), ...(name.control.value.trim() ? { name: name.control.value.trim() } : {}) });
    return lineForm([slug, name], 'Add tenant', send, load);
  };
  return section('Tenants', form, '/tenants', (page, load) =>
    table('Tenants', ['Tenant', 'Name', 'Network', 'Created', ''], page.tenants.map((t) => h('tr', { role: 'row' }, cell('Tenant', h('strong', null, t.slug)), cell('Name', t.name || '–'), cell('Network', h('span', { class: 'num' }, t.network?.subnet ?? '–')), cell('Created', when(t.createdAt)),
      cell('', act(`Delete ${t.slug}`, 'trash', () => change({ ask: { title: `Delete ${t.slug}?`, text: ['Its network goes with it. A tenant that still has instances is refused.'], verb: 'Delete', typed: t.slug }, send: () => del(`/tenants/${t.id}`), said: `${t.slug} deleted`, failed: `${t.slug} was not deleted`, reload: load })))))));
}

const auditRow = (a) => h('tr', { role: 'row' }, cell('When', h('time', { dateTime: a.at, class: 'num' }, full(a.at))), cell('Who', a.user?.username ?? a.user ?? '–', a.token ? h('span', { class: 'chip' }, 'token') : null), cell('From', h('span', { class: 'num' }, a.address ?? '–')),
  cell('What', h('strong', null, a.action)), cell('On', typeof a.subject === 'object' && a.subject ? (a.subject.name ?? a.subject.id) : (a.subject ?? '–')), cell('Result', h('span', { class: a.result === 'ok' || a.result === 200 ? '' : 'bad-text' }, String(a.result ?? ''))));

export function audit() {
  const rows = [];
  const listed = h('div', null);
  const said = h('p', { class: 'quiet pad' }, 'Loading…');
  const more = button('Show older', { onclick: () => load() });
  let page = 0;
  const load = async () => {
    try {
      const got = await get(`/audit?page=${++page}&pageSize=50`);
      rows.push(...got.audit.map(auditRow));
      fill(listed, rows.length ? table('Audit log', ['When', 'Who', 'From', 'What', 'On', 'Result'], rows) : null);
      setText(said, 'Nothing is recorded yet.');
      said.hidden = rows.length > 0;
      more.hidden = rows.length >= (got.total ?? 0);
    } catch (e) {
      more.hidden = true;
      said.hidden = false;
      setText(said, e.status === 403 || e.status === 404 ? 'This is for the owners of the tenant and for admins.' : e.message);
    }
  };
  more.hidden = true;
  load();
  return h('section', { class: 'audit' }, h('h2', null, 'Audit log'), said, listed, more);
}
