// Modal dialogs on the browser's own <dialog>: it keeps the focus inside, Esc closes, the focus goes back.

import { button, h, uid } from '../dom.js';
import { clearErrors, formError, showError } from './form.js';
import { fail } from './toast.js';

/** → {el, close}. `body` are nodes; `actions` buttons in reading order. `onclose` runs however it was closed. */
export function openDialog({ title, body, actions = [], cls = '', onclose, onsubmit }) {
  const heading = h('h2', { id: uid('dlg') }, title);
  const shut = button('Close', { icon: 'x', iconOnly: true, kind: 'ghost', onclick: () => el.close() });
  const form = h('form', { method: 'dialog', novalidate: true }, h('div', { class: 'dlg-head' }, heading, shut), h('div', { class: 'dlg-body' }, body),
    actions.length ? h('div', { class: 'dlg-foot' }, actions) : null);
  form.addEventListener('submit', (e) => {
    e.preventDefault();
    onsubmit?.();
  });
  const el = h('dialog', { class: cls, 'aria-labelledby': heading.id }, form);
  const before = document.activeElement;
  const left = () => el.close(); // the view it was opened over has gone
  addEventListener('hashchange', left);
  el.addEventListener('close', () => {
    removeEventListener('hashchange', left);
    el.remove();
    if (before?.isConnected) before.focus();
    onclose?.();
  });
  document.body.append(el);
  el.showModal();
  el.querySelector('[autofocus]')?.focus();
  return { el, close: () => el.close() };
}

const typedField = (word, onmatch) => {
  const input = h('input', { id: uid('f'), autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false', autofocus: true, oninput: () => onmatch(input.value.trim() === word) });
  return h('p', { class: 'field' }, h('label', { for: input.id }, 'Type ', h('strong', { class: 'mono' }, word), ' to go on'), input);
};

/** Ask before something that cannot be undone. With `typed` the word must be typed first. → Promise<bool> */
export function confirm({ title, text, verb, typed = '' }) {
  return new Promise((resolve) => {
    let yes = false;
    const ok = h('button', { type: 'submit', class: 'btn danger', disabled: Boolean(typed), autofocus: !typed }, verb);
    const dlg = openDialog({
      title,
      cls: 'small-dlg',
      body: [text.map((t) => h('p', null, t)), typed ? typedField(typed, (match) => (ok.disabled = !match)) : null],
      actions: [button('Cancel', { onclick: () => dlg.close() }), ok],
      onsubmit: () => {
        if (ok.disabled) return;
        yes = true;
        dlg.close();
      },
      onclose: () => resolve(yes),
    });
  });
}

/** Fields in a dialog that send(root) and close, or show the error at its field. */
export function formDialog({ title, fields, verb, send }) {
  const root = h('div', { class: 'stack' }, formError(), fields);
  const ok = h('button', { type: 'submit', class: 'btn primary' }, verb);
  const dialog = openDialog({ title, body: root, cls: 'small-dlg', actions: [button('Cancel', { onclick: () => dialog.close() }), ok], onsubmit: async () => {
    clearErrors(root);
    ok.disabled = true;
    try {
      await send(root);
      dialog.close();
    } catch (e) {
      showError(root, e);
    }
    ok.disabled = false;
  } });
  return dialog;
}

/** Put text into the clipboard and say so on the control itself. */
export async function copy(text, control) {
  try {
    await navigator.clipboard.writeText(text);
  } catch (e) {
    return fail('It could not be copied', e);
  }
  const old = control.dataset.tip;
  control.dataset.tip = 'Copied';
  control.classList.add('copied');
  setTimeout(() => {
    control.classList.remove('copied');
    if (old === undefined) delete control.dataset.tip;
  }, 1200);
  return undefined;
}

export const copyButton = (text) => {
  const btn = button(`Copy ${text}`, { icon: 'copy', iconOnly: true, kind: 'ghost', onclick: () => copy(text, btn) });
  return btn;
};

export const copyText = (text, label = 'Copy') => {
  const btn = h('button', { type: 'button', class: 'copy', title: `${label} ${text}`, 'aria-label': `${label} ${text}`, onclick: () => copy(text, btn) }, text);
  return btn;
};
