// Tables that become cards on a narrow screen, and what stands around them in the settings: a form in one line, a change with
// its question and its message, a list that is read and drawn again.

import { button, fill, h, icon } from '../dom.js';
import { get } from '../api.js';
import { ago, full } from '../format.js';
import { confirm } from './dialog.js';
import { clearErrors, formError, showError } from './form.js';
import { reading } from './reading.js';
import { fail, toast } from './toast.js';

/** heads: words; '' is the column of actions. `num` are the positions of columns of numbers. */
export const table = (label, heads, rows) =>
  h('table', { class: 'list cards-small', role: 'table', 'aria-label': label }, h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, heads.map((w) => h('th', { role: 'columnheader', scope: 'col' }, w || h('span', { class: 'sr-only' }, 'Actions'))))), h('tbody', { role: 'rowgroup' }, rows));
export const row = (...cells) => h('tr', { role: 'row' }, cells);
export const cell = (word, ...kids) => h('td', { role: 'cell', dataset: { word }, class: word === '' ? 'c-acts' : '' }, kids);
export const when = (iso, none = 'never') => (iso ? h('time', { dateTime: iso, title: full(iso) }, ago(iso)) : none);

/** A button of a row: an icon, its label for the tooltip and assistive technology. */
export const act = (label, ic, fn) => button(label, { icon: ic, iconOnly: true, kind: 'ghost', onclick: fn });

export const nothing = (ic, title, text, more) => h('div', { class: 'empty slim' }, icon(ic), h('h3', null, title), h('p', null, text), more);

/** A form in one line that posts and reloads. */
export function lineForm(fields, verb, send, reload) {
  const ok = h('button', { type: 'submit', class: 'btn primary' }, verb);
  const form = h('form', { class: 'line-form', novalidate: true }, fields, ok, formError());
  form.addEventListener('submit', async (e) => {
    e.preventDefault();
    clearErrors(form);
    ok.disabled = true;
    try {
      await send();
      form.reset();
      await reload();
    } catch (err) {
      showError(form, err);
    }
    ok.disabled = false;
  });
  return form;
}

/** Ask, send, say, reload. */
export async function change({ ask, send, said, failed, reload }) {
  if (ask && !(await confirm(ask))) return;
  try {
    await send();
    toast('good', said);
  } catch (e) {
    fail(failed, e);
  }
  await reload();
}

/** A heading, a form, and what `draw(page, load)` makes of what is read from `path`. → {node, load} */
export function listing({ title, text, form, path, draw, opts, denied = 'This is for the owners of the tenant.' }) {
  const listed = h('div', null);
  const { el, load } = reading({ what: title, read: () => get(path, opts), draw: (page) => fill(listed, draw(page, load)), denied });
  load();
  return { node: h('section', null, h('h2', null, title), text && h('p', { class: 'quiet lead' }, text), form?.(load), el, listed), load };
}
