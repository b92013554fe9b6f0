// The palette (Ctrl-K, ⌘K): every instance, every view, and what can be done to an instance now, found by typing.

import { fill, h, icon, setText } from '../dom.js';
import { store } from '../live.js';
import { go, state as route } from '../router.js';
import { SETTINGS, TABS, VIEWS } from '../views.js';
import { act, remove } from './actions.js';
import { isAdmin, setTheme, signOut, switchTenant } from './shell.js';
import { refusal, tone, VERBS, VM_VERBS } from './state.js';

const MOST = 12;
const OWN_VERBS = ['start', 'stop', 'restart', 'pause', 'unpause', 'suspend', 'wake', 'reset', 'delete'];

// An entry: {text, also: more words to find it by, group, icon, tone, run}

const goTo = (path) => () => go(path);
const view = (text, path, also = '') => ({ text, also, group: 'Go to', icon: 'right', run: goTo(path) });

function places() {
  const plain = VIEWS.filter(([, , word]) => word).map(([path, , word]) => view(word, path));
  const own = SETTINGS.filter(([, , , , admin]) => !admin || isAdmin()).map(([key, word]) => view(word, `/settings/${key}`, 'settings'));
  return [...plain, ...own, view('API description', '/api', 'openapi routes')];
}

function commands() {
  const dark = matchMedia('(prefers-color-scheme: dark)').matches;
  const now = document.documentElement.dataset.theme ?? (dark ? 'dark' : 'light');
  const others = (store.session?.tenants ?? []).filter((t) => t.slug !== (store.session.tenant?.slug ?? store.session.tenant));
  return [
    { text: 'Create instance', also: 'new add container', group: 'Do', icon: 'plus', run: () => import('../views/create.js').then((m) => m.openCreate()) },
    { text: `Use the ${now === 'dark' ? 'light' : 'dark'} theme`, also: 'appearance colour', group: 'Do', icon: now === 'dark' ? 'sun' : 'moon', run: () => setTheme(now === 'dark' ? 'light' : 'dark') },
    ...others.map((t) => ({ text: `Change to tenant ${t.name || t.slug}`, also: t.slug, group: 'Do', icon: 'restart', run: () => switchTenant(t.slug) })),
    { text: 'Sign out', also: 'log out exit', group: 'Do', icon: 'exit', run: signOut },
  ];
}

const labels = (inst) => Object.entries(inst.labels ?? {}).map(([k, v]) => `${k}=${v}`).join(' ');
const opened = (inst) => ({ text: inst.name, also: [inst.network?.address, inst.config?.image, inst.state, inst.id, labels(inst)].join(' '), group: inst.state, tone: tone(inst.state), icon: inst.type === 'vm' ? 'vm' : 'container', run: goTo(`/instances/${inst.id}`) });

/** What can be done to it now; what cannot is not offered. */
function verbsOf(inst) {
  const list = OWN_VERBS.filter((verb) => (inst.type === 'vm' || !VM_VERBS.has(verb)) && !refusal(verb, inst.state, verb === 'delete'))
    .map((verb) => ({ text: `${VERBS[verb].label} ${inst.name}`, also: '', group: 'Do', icon: VERBS[verb].icon, run: () => (verb === 'delete' ? remove(inst) : act(inst, verb)) }));
  const tabs = TABS.filter(([key, , , when]) => key !== 'overview' && (!when || when(inst))).map(([key, word]) => ({ ...view(`${word} of ${inst.name}`, `/instances/${inst.id}/${key}`), icon: 'right' }));
  return [...list, ...tabs];
}

/** 0: does not fit; more is better. Every word must be there; the start of the text, then of a word, counts most. */
export function fit(entry, words) {
  const text = entry.text.toLowerCase();
  const all = `${text} ${entry.also.toLowerCase()}`;
  let score = 1;
  for (const [i, word] of words.entries()) {
    const at = all.indexOf(word);
    if (at < 0) return 0;
    if (i === 0 && text.startsWith(word)) score += 8;
    else if (text.split(/[\s-]+/).some((w) => w.startsWith(word))) score += 4;
    else if (text.includes(word)) score += 2;
    if (text === word) score += 8;
  }
  return score - Math.min(0.9, text.length / 200);
}

/** The instance of the page that is open comes first, with its verbs, before anything is typed. */
export function entries(typed) {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean);
  const here = /^\/instances\/([^/]+)/.exec(route.path)?.[1];
  const inst = here && store.instances.get(decodeURIComponent(here));
  if (!words.length) return [...(inst ? verbsOf(inst) : []), ...places(), ...commands()].slice(0, MOST);
  const instances = [...store.instances.values()];
  const found = [...places(), ...commands(), ...instances.map(opened)];
  // verbs of those alone whose name or address was begun: 500 instances have 3000 verbs
  const meant = instances.filter((i) => words.some((w) => i.name.includes(w) || i.network?.address === w)).slice(0, 60);
  for (const i of meant) found.push(...verbsOf(i));
  return found.map((e) => [fit(e, words), e]).filter(([score]) => score > 0).sort(([a, x], [b, y]) => b - a || x.text.localeCompare(y.text, undefined, { numeric: true })).slice(0, MOST).map(([, e]) => e);
}

let open = null;

export function togglePalette() {
  if (open) return open.close();
  let shown = [];
  let at = 0;
  const list = h('ul', { role: 'listbox', id: 'palette-list', 'aria-label': 'Results', class: 'palette-list' });
  const none = h('p', { class: 'quiet pad palette-none', hidden: true }, 'Nothing fits.');
  const count = h('span', { class: 'sr-only', role: 'status' });
  const field = h('input', { type: 'text', role: 'combobox', 'aria-expanded': 'true', 'aria-controls': 'palette-list', 'aria-autocomplete': 'list', 'aria-label': 'Find an instance, a view or an action', placeholder: 'Find an instance, a view or an action', autocomplete: 'off', spellcheck: 'false', autocapitalize: 'off', autofocus: true });
  const el = h('dialog', { class: 'palette', 'aria-label': 'Palette' }, h('div', { class: 'palette-field' }, icon('search'), field, h('kbd', null, 'Esc')), list, none, count);

  const mark = (i) => {
    at = shown.length ? (i + shown.length) % shown.length : 0;
    [...list.children].forEach((li, n) => li.setAttribute('aria-selected', String(n === at)));
    if (shown.length) field.setAttribute('aria-activedescendant', `palette-${at}`);
    else field.removeAttribute('aria-activedescendant');
    list.children[at]?.scrollIntoView({ block: 'nearest' });
  };
  const run = (entry) => {
    el.close();
    entry?.run();
  };
  const draw = () => {
    shown = entries(field.value);
    fill(list, shown.map((e, i) => h('li', { role: 'option', id: `palette-${i}`, onpointermove: () => at !== i && mark(i), onclick: () => run(e) }, icon(e.icon), h('span', { class: 'palette-text' }, e.text), h('span', { class: 'palette-group', dataset: e.tone ? { tone: e.tone } : {} }, e.group))));
    none.hidden = shown.length > 0;
    setText(count, shown.length ? `${shown.length} results` : 'Nothing fits.');
    mark(0);
  };
  field.addEventListener('input', draw);
  field.addEventListener('keydown', (e) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[e.key];
    if (step) mark(at + step);
    else if (e.key === 'Enter') run(shown[at]);
    else return;
    e.preventDefault();
  });
  el.addEventListener('click', (e) => e.target === el && el.close());
  const before = document.activeElement;
  el.addEventListener('close', () => {
    open = null;
    el.remove();
    if (before?.isConnected) before.focus();
  });
  open = el;
  document.body.append(el);
  draw();
  el.showModal();
  return undefined;
}
