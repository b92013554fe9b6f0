// One's own account: password; and how the dashboard looks.

import { h } from '../dom.js';
import { put } from '../api.js';
import { store } from '../live.js';
import { clearErrors, field, formError, input, showError } from '../parts/form.js';
import { setTheme } from '../parts/shell.js';
import { toast } from '../parts/toast.js';

function passwordForm() {
  const current = field('Current password', input({ type: 'password', autocomplete: 'current-password' }), { path: 'current' });
  const next = field('New password', input({ type: 'password', autocomplete: 'new-password' }), { path: 'new', hint: 'At least 10 characters. Your other sessions end.' });
  const again = field('New password again', input({ type: 'password', autocomplete: 'new-password' }));
  const ok = h('button', { type: 'submit', class: 'btn primary' }, 'Change password');
  const form = h('form', { class: 'stack narrow-form', novalidate: true }, h('input', { type: 'text', autocomplete: 'username', value: store.session.user.username, hidden: true, 'aria-hidden': 'true' }), current, next, again, formError(), ok);
  form.addEventListener('submit', async (e) => {
    e.preventDefault();
    clearErrors(form);
    if (next.control.value !== again.control.value) return again.setError('It is not the same as above.');
    ok.disabled = true;
    try {
      await put('/session/password', { current: current.control.value, new: next.control.value }, { quiet: true, repeat: false });
      form.reset();
      toast('good', 'Password changed');
    } catch (err) {
      if (err.status === 401 || err.status === 403) err.details = { field: 'current' };
      showError(form, err);
    }
    ok.disabled = false;
    return undefined;
  });
  return form;
}

export function account() {
  const { user, tenants = [], version } = store.session;
  return h('section', null, h('h2', null, 'Account'), h('dl', null, h('dt', null, 'User'), h('dd', null, user.username), h('dt', null, 'Role'), h('dd', null, user.role),
    h('dt', null, 'Tenants'), h('dd', null, tenants.filter((t) => t.role).map((t) => `${t.name || t.slug} (${t.role})`).join(', ') || '–'), version ? [h('dt', null, 'Lodge'), h('dd', null, version)] : null),
  h('h2', null, 'Change the password'), passwordForm());
}

export function appearance() {
  const now = localStorage.getItem('lodge.theme') ?? '';
  const radio = (value, word) => h('label', { class: 'inline radio' }, h('input', { type: 'radio', name: 'theme', value, checked: now === value, onchange: () => setTheme(value) }), word);
  return h('section', null, h('h2', null, 'Appearance'), h('fieldset', { class: 'field' }, h('legend', null, 'Theme'), radio('', 'As the system'), radio('light', 'Light'), radio('dark', 'Dark')));
}
