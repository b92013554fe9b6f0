// Labelled fields with a place for the error, and server errors put where they belong.

import { button, h, uid } from '../dom.js';

/** → <p class=field>; `.control` is the input. `path`: the body's field the server would name in details.field. */
export function field(label, control, { path = '', hint = '', cls = '' } = {}) {
  control.id ||= uid('f');
  const err = h('span', { class: 'field-error', id: control.id + '-e' });
  const note = hint ? h('span', { class: 'hint', id: control.id + '-h' }, hint) : null;
  control.setAttribute('aria-describedby', [note?.id, err.id].filter(Boolean).join(' '));
  const el = h('p', { class: `field ${cls}`.trim(), dataset: { path } }, h('label', { for: control.id }, label), control, note, err);
  el.control = control;
  el.setError = (text) => {
    err.textContent = text ?? '';
    if (text) control.setAttribute('aria-invalid', 'true');
    else control.removeAttribute('aria-invalid');
  };
  control.addEventListener('input', () => el.setError(''));
  return el;
}

export const input = (props = {}) => h('input', { autocomplete: 'off', ...props });
export const select = (options, value, props = {}) =>
  h('select', props, options.map(([v, text]) => h('option', { value: v, selected: v === value }, text)));

/** The server names the field in its sentence; at the field "it" will do. */
const atField = (message, named) => (named && message.startsWith(`${named} `) ? `It ${message.slice(named.length + 1)}` : message);

/** `.form-error` of `root` or the field that details.field names, if it can be seen; → the field, or null. */
export function showError(root, error) {
  const named = error.details?.field ?? (error.details?.limit ? `resources.${error.details.limit}` : '');
  const fields = [...root.querySelectorAll('.field[data-path]')].filter((f) => f.dataset.path && !f.closest('[hidden]'));
  const hit = fields.filter((f) => f.dataset.path.split(' ').some((p) => named === p || named.startsWith(p + '.') || named.startsWith(p + '[')))
    .sort((a, b) => b.dataset.path.length - a.dataset.path.length)[0];
  const box = root.querySelector('.form-error');
  if (hit) {
    hit.closest('details')?.setAttribute('open', '');
    hit.setError?.(atField(error.message, named));
    (hit.control ?? hit.querySelector('input, select, textarea, button'))?.focus();
  } else if (box) box.textContent = error.message;
  return hit ?? null;
}

export function clearErrors(root) {
  for (const f of root.querySelectorAll('.field')) f.setError?.('');
  const box = root.querySelector('.form-error');
  if (box) box.textContent = '';
}

export const formError = () => h('p', { class: 'form-error', role: 'alert' });

/** Rows that can be added and removed: each made by makeRow() → {nodes, read(), first}. */
export function repeated({ legend, path, add, makeRow, onchange, hint = '' }) {
  const rows = [];
  const list = h('div', { class: 'rep-rows' });
  const err = h('span', { class: 'field-error', role: 'alert' });
  const addRow = (value, focus = true) => {
    const row = makeRow(value);
    const off = button(`Remove this ${add}`, { icon: 'x', iconOnly: true, kind: 'ghost', onclick: () => {
      rows.splice(rows.indexOf(row), 1);
      el.remove();
      plus.focus();
      onchange();
    } });
    const el = h('div', { class: 'rep-row' }, row.nodes, off);
    rows.push(row);
    list.append(el);
    if (focus) row.first.focus();
    onchange();
  };
  const plus = button(`Add ${add}`, { icon: 'plus', kind: 'small', onclick: () => addRow() });
  const el = h('fieldset', { class: 'field rep', dataset: { path } }, h('legend', null, legend), hint && h('span', { class: 'hint' }, hint), list, err, plus);
  el.setError = (t) => (err.textContent = t ?? '');
  el.read = () => rows.map((r) => r.read()).filter((v) => v !== null);
  el.addRow = addRow;
  el.clear = () => (rows.splice(0), list.replaceChildren());
  list.addEventListener('input', () => (el.setError(''), onchange()));
  return el;
}

/** A row of two words, of which the second may be a secret. */
export function pairRow(keyLabel, valueLabel, secretBox) {
  return (value = ['', '']) => {
    const key = input({ 'aria-label': keyLabel, placeholder: keyLabel, value: value[0], spellcheck: 'false', autocapitalize: 'off' });
    const val = input({ 'aria-label': valueLabel, placeholder: valueLabel, value: value[1], spellcheck: 'false', autocapitalize: 'off' });
    const secret = h('input', { type: 'checkbox', onchange: () => (val.type = secret.checked ? 'password' : 'text') });
    const nodes = [key, val, secretBox ? h('label', { class: 'inline' }, secret, 'secret') : null];
    return { nodes, first: key, read: () => (key.value.trim() || val.value ? { key: key.value.trim(), value: val.value, secret: secret.checked } : null) };
  };
}
