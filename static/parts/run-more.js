// What a run takes beside its code and input: arguments, files and limits, in a fold that says what it holds.

import { button, h, setText } from '../dom.js';
import { bytes, parseSize, shell, sizeText, splitWords } from '../format.js';
import { clearErrors, field, input, repeated, showError } from './form.js';
import { seconds } from './outcome.js';

const FILE_MAX = 10 * 2 ** 20; // bytes that the server takes of one

const parseSeconds = (text) => Math.round(Number(text) * 1000);
// [key of the API, word, how it is read, typed and shown, hint]
const LIMITS = [
  ['timeMs', 'Time', parseSeconds, (ms) => String(ms / 1000), seconds, 'Seconds'],
  ['memoryBytes', 'Memory', parseSize, sizeText, bytes, 'Such as 128M'],
  ['outputBytes', 'Output', parseSize, sizeText, bytes, 'Such as 64K'],
];

function fileRow([path, content] = ['', '']) {
  const name = input({ 'aria-label': 'Name of the file', placeholder: 'data.csv', value: path, spellcheck: 'false', autocapitalize: 'off' });
  const text = h('textarea', { 'aria-label': 'Contents of the file', rows: '2', spellcheck: 'false', autocapitalize: 'off', value: content });
  return { nodes: [name, text], first: name, read: () => (name.value.trim() || text.value ? { path: name.value.trim(), content: text.value } : null) };
}

/** Files of this computer as rows; only text goes along. */
async function take(files, chosen) {
  for (const file of chosen) {
    try {
      if (file.size > FILE_MAX) throw new Error(`${file.name} is larger than ${bytes(FILE_MAX)}.`);
      files.addRow([file.name, new TextDecoder('utf-8', { fatal: true }).decode(await file.arrayBuffer())], false);
    } catch (e) {
      files.setError(e instanceof TypeError ? `${file.name} is not text in UTF-8, and only text goes along.` : e.message);
    }
  }
}

function picker(files) {
  const choose = h('input', { type: 'file', multiple: true, hidden: true, 'aria-label': 'Files of this computer', onchange: async () => {
    await take(files, choose.files);
    choose.value = '';
  } });
  files.append(h('span', null, button('From this computer', { icon: 'upload', kind: 'small', onclick: () => choose.click() }), choose));
}

const many = (n, word) => n && `${n} ${word}${n === 1 ? '' : 's'}`;

function contents(asked) {
  const most = LIMITS.map(([key, , , , show]) => asked.limits?.[key] > 0 && `at most ${show(asked.limits[key])}`);
  return [many(asked.args?.length, 'argument'), many(asked.files?.length, 'file'), ...most].filter(Boolean).join(', ');
}

/** What is over the tenant's limit, in amounts that people read. */
function readable(e) {
  const limit = e.code === 'RESOURCE_LIMIT_EXCEEDED' && LIMITS.find(([key]) => e.details.field === `limits.${key}`);
  return limit ? Object.assign(new Error(`The tenant’s code may have at most ${limit[4](Number(e.details.total))}. An administrator can raise that.`), { details: e.details }) : e;
}

/** `onchange()` when something in it is. → {el, read(), set(asked), fits(): can it be sent, showError(e): was it about something here} */
export function runMore(onchange) {
  const holds = h('span', { class: 'quiet' });
  const changed = () => {
    setText(holds, contents(read()));
    onchange();
  };
  const args = field('Arguments', input({ spellcheck: 'false', autocapitalize: 'off' }), { path: 'args', hint: 'Apart by spaces; quotes keep words together' });
  const files = repeated({ legend: 'Files', path: 'files', add: 'file', makeRow: fileRow, onchange: () => queueMicrotask(changed), hint: 'Beside the code, in its folder' });
  const limits = LIMITS.map(([key, word, , , , hint]) => field(word, input({ spellcheck: 'false', placeholder: 'usual', inputmode: key === 'timeMs' ? 'decimal' : 'text' }), { path: `limits.${key}`, hint }));
  picker(files);
  const el = h('details', { class: 'more run-more' }, h('summary', null, 'Arguments, files and limits ', holds), args, files, h('fieldset', { class: 'field' }, h('legend', null, 'Limits'), h('div', { class: 'trio' }, limits)));
  el.addEventListener('input', changed);

  function read() {
    const out = {};
    const words = splitWords(args.control.value);
    const some = files.read();
    const given = LIMITS.map(([key, , parse], i) => [key, limits[i].control.value.trim() && parse(limits[i].control.value)]).filter(([, v]) => v !== '');
    if (words.length) out.args = words;
    if (some.length) out.files = some;
    if (given.length) out.limits = Object.fromEntries(given);
    return out;
  }

  const set = (asked) => {
    clearErrors(el);
    args.control.value = (asked.args ?? []).map(shell).join(' ');
    files.clear();
    for (const f of asked.files ?? []) files.addRow([f.path, f.content], false);
    LIMITS.forEach(([key, , , text], i) => (limits[i].control.value = asked.limits?.[key] > 0 ? text(asked.limits[key]) : ''));
    setText(holds, contents(read()));
  };
  const fits = () => {
    clearErrors(el);
    const bad = LIMITS.findIndex(([key]) => key in (read().limits ?? {}) && !(read().limits[key] > 0));
    if (bad < 0) return true;
    const text = bad ? 'A size such as 64M, or nothing.' : 'A number of seconds above 0, or nothing.';
    showError(el, Object.assign(new Error(text), { details: { field: `limits.${LIMITS[bad][0]}` } }));
    return false;
  };
  return { el, read, set, fits, showError: (e) => showError(el, readable(e)) !== null };
}
