// An instance's states and verbs, as fcgi/model/state.c has them, and how they are shown.

import { h, icon, setText } from '../dom.js';

const BUSY = ['creating', 'starting', 'stopping', 'restarting', 'pausing', 'suspending', 'waking'];
export const TRANSIENT = new Set([...BUSY, 'deleting']);
export const STATES = ['running', 'stopped', 'error', 'creating', 'starting', 'stopping', 'restarting', 'pausing', 'paused', 'suspending', 'asleep', 'waking', 'deleting'];

const RULES = {
  start: [['stopped', 'error', 'asleep'], [], 'only a stopped one can be started'],
  stop: [['running', 'paused', 'error'], [...BUSY, 'asleep'], 'only a running one can be stopped'],
  restart: [['running', 'error'], [], 'only a running one can be restarted'],
  pause: [['running'], [], 'only a running one can be paused'],
  unpause: [['paused'], [], 'only a paused one can be unpaused'],
  suspend: [['running', 'paused'], [], 'only a running one can be put to sleep'],
  wake: [['asleep'], [], 'only a sleeping one can be woken'],
  reset: [['running'], [], 'only a running one can be reset'],
  update: [['stopped', 'running', 'paused', 'error'], [], 'wait until it has settled'],
  delete: [['stopped', 'error', 'asleep'], STATES.filter((s) => s !== 'deleting'), 'stop it first, or delete it with force'],
};

/** Why the verb cannot be asked now; null when it can. */
export function refusal(verb, state, force = false) {
  const [from, forced, why] = RULES[verb];
  if (from.includes(state) || (force && forced.includes(state))) return null;
  return `The instance is ${state}; ${why}.`;
}

export const VERBS = {
  start: { label: 'Start', icon: 'play', doing: 'Starting', done: 'started' },
  stop: { label: 'Stop', icon: 'stop', doing: 'Stopping', done: 'stopped' },
  restart: { label: 'Restart', icon: 'restart', doing: 'Restarting', done: 'restarted' },
  pause: { label: 'Pause', icon: 'pause', doing: 'Pausing', done: 'paused' },
  unpause: { label: 'Resume', icon: 'play', doing: 'Resuming', done: 'resumed' },
  suspend: { label: 'Sleep', icon: 'moon', doing: 'Putting to sleep', done: 'asleep' },
  wake: { label: 'Wake', icon: 'sun', doing: 'Waking', done: 'awake' },
  reset: { label: 'Reset', icon: 'alert', doing: 'Resetting', done: 'reset' },
  delete: { label: 'Delete', icon: 'trash', doing: 'Deleting', done: 'deleted' },
  create: { label: 'Create', icon: 'plus', doing: 'Creating', done: 'created' },
  resize: { label: 'Resize', icon: 'edit', doing: 'Resizing', done: 'resized' },
  update: { label: 'Update', icon: 'edit', doing: 'Updating', done: 'updated' },
  pull: { label: 'Pull', icon: 'download', doing: 'Pulling', done: 'pulled' },
  fetch: { label: 'Fetch', icon: 'download', doing: 'Fetching', done: 'fetched' },
  import: { label: 'Import', icon: 'upload', doing: 'Importing', done: 'imported' },
};

/** Verbs that only a virtual machine has. */
export const VM_VERBS = new Set(['suspend', 'wake', 'reset']);

const TONE = { running: 'good', error: 'bad', stopped: 'off', asleep: 'off', paused: 'hold' };
export const tone = (state) => TONE[state] ?? 'busy';

/** Dot and word; update with setState. */
export function stateBadge(state) {
  const el = h('span', { class: 'state' }, h('span', { class: 'dot', 'aria-hidden': 'true' }), h('span', { class: 'word' }));
  setState(el, state);
  return el;
}

export function setState(el, state, health) {
  const word = state === 'running' && health === 'unhealthy' ? 'unhealthy' : state;
  el.dataset.tone = word === 'unhealthy' ? 'bad' : tone(state);
  setText(el.lastChild, word);
}

export const kindIcon = (inst) => icon(inst.type === 'vm' ? 'vm' : 'container', inst.type === 'vm' ? 'Virtual machine' : 'Container');

const STAMP = / at \d{4}-\d\d-\d\dT[\d:.]+Z/;
const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** The one sentence: why is it in this state? The time in it is shown beside it, as a time. */
export function why(inst) {
  if (inst.reason?.text) return sentence(inst.reason.text.replace(STAMP, ''));
  if (TRANSIENT.has(inst.state)) return inst.operation?.step || 'At work…';
  return '';
}
