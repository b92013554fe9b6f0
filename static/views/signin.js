// Sign in, and go back to where the person wanted to be.

import { h } from '../dom.js';
import { get, post } from '../api.js';
import { clearErrors, field, formError, input } from '../parts/form.js';
import { signedIn } from '../app.js';

function waitMessage(error, button) {
  let left = Math.max(1, error.retryAfter || 5);
  const text = () => `Too many attempts. Try again in ${left} s.`;
  const box = button.form.querySelector('.form-error');
  box.textContent = text();
  button.disabled = true;
  const timer = setInterval(() => {
    left--;
    if (left > 0 && button.isConnected) return;
    clearInterval(timer);
    button.disabled = false;
    box.textContent = '';
  }, 1000);
}

export default function signin() {
  const user = input({ name: 'username', autocomplete: 'username', autocapitalize: 'off', spellcheck: 'false', required: true });
  const password = input({ name: 'password', type: 'password', autocomplete: 'current-password', required: true });
  const submit = h('button', { type: 'submit', class: 'btn primary wide' }, 'Sign in');
  const form = h('form', { class: 'signin', novalidate: true }, h('img', { src: '/favicon.svg', alt: '', width: '40', height: '40' }), h('h1', null, 'Sign in to Lodge'),
    field('User name', user), field('Password', password), formError(), submit);

  form.addEventListener('submit', async (e) => {
    e.preventDefault();
    clearErrors(form);
    const box = form.querySelector('.form-error');
    if (!user.value || !password.value) {
      box.textContent = 'Enter your user name and password.';
      (user.value ? password : user).focus();
      return undefined;
    }
    submit.disabled = true;
    try {
      await post('/session', { username: user.value.trim(), password: password.value }, { quiet: true, repeat: true });
      await signedIn(await get('/session'));
      return undefined;
    } catch (err) {
      submit.disabled = false;
      if (err.status === 429) return waitMessage(err, submit);
      box.textContent = err.status === 401 ? 'The user name or the password is wrong.' : err.message;
      password.select();
      password.focus();
    }
    return undefined;
  });
  return { title: 'Sign in', node: form, focus: user };
}
