// Who may do what: the members of a tenant; for admins the users.

import { button, h } from '../dom.js';
import { del, post, put } from '../api.js';
import { store } from '../live.js';
import { formDialog } from '../parts/dialog.js';
import { field, input, select } from '../parts/form.js';
import { isAdmin } from '../parts/shell.js';
import { act, cell, change, lineForm, listing, nothing, row, table, when } from '../parts/table.js';
import { toast } from '../parts/toast.js';

const nameInput = () => input({ spellcheck: 'false', autocapitalize: 'off' });

/** The members of one tenant: {id, slug, name}. */
export function membersOf(tenant) {
  const path = `/tenants/${tenant.id}/members`;
  const called = tenant.name || tenant.slug;
  const own = store.session.tenants.find((t) => t.id === tenant.id);
  const may = isAdmin() || own?.role === 'owner';
  const form = (load) => {
    const name = field('User name', nameInput(), { path: 'username user' });
    const role = field('Role', select([['member', 'Member'], ['owner', 'Owner']], 'member'), { path: 'role' });
    return lineForm([name, role], 'Add member', () => post(path, { username: name.control.value.trim(), role: role.control.value }), load);
  };
  const line = (m, load) => {
    const self = m.username === store.session.user.username;
    const other = m.role === 'owner' ? 'member' : 'owner';
    const flip = () => change({ send: () => post(path, { username: m.username, role: other }), said: `${m.username} is ${other} now`, failed: `${m.username} was not changed`, reload: load });
    const remove = () => change({ ask: { title: `Remove ${m.username}?`, text: [`They lose every access to ${called} at once.`], verb: 'Remove' }, send: () => del(`${path}/${m.user?.id ?? m.user}`), said: `${m.username} removed`, failed: `${m.username} was not removed`, reload: load });
    return row(cell('User', h('strong', null, m.username), self ? h('span', { class: 'chip' }, 'you') : null), cell('Role', m.role), cell('Since', when(m.since)),
      cell('', may ? button(`Make ${other}`, { kind: 'small', 'aria-label': `Make ${other}: ${m.username}`, onclick: flip }) : null, may || self ? act(`Remove ${m.username}`, 'trash', remove) : null));
  };
  const draw = (page, load) => (page.members.length ? table('Members', ['User', 'Role', 'Since', ''], page.members.map((m) => line(m, load))) : nothing('key', 'No members', 'Nobody but administrators can reach what is in it. Add who should.'));
  return listing({ title: `Members of ${called}`, form: may ? form : null, path, draw }).node;
}

export const tenantNow = () => {
  const t = store.session.tenant;
  const slug = t?.slug ?? t;
  return store.session.tenants.find((x) => x.slug === slug || x.id === slug) ?? (typeof t === 'object' ? t : { id: slug, slug });
};

export const members = () => membersOf(tenantNow());

// ── users ──────────────────────────────────────────────────────────────────────────────────────────

function editUser(u, load) {
  const role = field('Role', select([['user', 'User'], ['admin', 'Admin']], u.role), { path: 'role', hint: 'An admin may do everything, in every tenant' });
  const pass = field('New password', input({ type: 'password', autocomplete: 'new-password' }), { path: 'password', hint: 'Left empty it stays; a new one ends their sessions' });
  formDialog({ title: `Change ${u.username}`, fields: [role, pass], verb: 'Save', send: async () => {
    const body = {};
    if (role.control.value !== u.role) body.role = role.control.value;
    if (pass.control.value) body.password = pass.control.value;
    if (Object.keys(body).length) await put(`/users/${u.id}`, body);
    toast('good', `${u.username} saved`);
    load();
  } });
}

function userRow(u, load) {
  const self = u.id === store.session.user.id;
  const flip = () => change({ send: () => put(`/users/${u.id}`, { disabled: !u.disabled }), said: `${u.username} ${u.disabled ? 'may sign in again' : 'can no longer sign in'}`, failed: `${u.username} was not changed`, reload: load });
  const remove = () => change({ ask: { title: `Delete ${u.username}?`, text: ['Their sessions and tokens end at once.'], verb: 'Delete', typed: u.username }, send: () => del(`/users/${u.id}`), said: `${u.username} deleted`, failed: `${u.username} was not deleted`, reload: load });
  return row(cell('User', h('strong', null, u.username), self ? h('span', { class: 'chip' }, 'you') : null), cell('Role', u.role), cell('Created', when(u.createdAt)), cell('Sign-in', u.disabled ? 'disabled' : 'allowed'),
    cell('', self ? null : [button(u.disabled ? 'Enable' : 'Disable', { kind: 'small', 'aria-label': `${u.disabled ? 'Enable' : 'Disable'} ${u.username}`, onclick: flip }), act(`Change ${u.username}`, 'edit', () => editUser(u, load)), act(`Delete ${u.username}`, 'trash', remove)]));
}

export function users() {
  const form = (load) => {
    const name = field('User name', nameInput(), { path: 'username' });
    const pass = field('Password', input({ type: 'password', autocomplete: 'new-password' }), { path: 'password' });
    const role = field('Role', select([['user', 'User'], ['admin', 'Admin']], 'user'), { path: 'role' });
    return lineForm([name, pass, role], 'Add user', () => post('/users', { username: name.control.value.trim(), password: pass.control.value, role: role.control.value }), load);
  };
  return listing({ title: 'Users', form, path: '/users?pageSize=500', draw: (page, load) => table('Users', ['User', 'Role', 'Created', 'Sign-in', ''], page.users.map((u) => userRow(u, load))) }).node;
}
