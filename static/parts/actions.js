// Verbs on instances: ask where needed, send, and let a toast follow the operation.

import { del, get, put } from '../api.js';
import { operationEnd, putInstance, store } from '../live.js';
import { refusal, VERBS } from './state.js';
import { fail, followOperation } from './toast.js';
import { confirm } from './dialog.js';

const NOW = { headers: { Prefer: 'wait=0' }, repeat: false };

/** Send the verb; answers the operation's id. Throws ApiError. */
export async function send(inst, verb, force = false) {
  const known = [...store.operations.values()];
  for (let tries = 1; ; tries++) {
    try {
      return await ask(inst, verb, force);
    } catch (e) {
      if (e.code !== 'OFFLINE' || tries === 3) throw e;
      const op = await arrived(inst, verb, known);
      if (op !== undefined) return op;
    }
  }
}

/** The answer got lost: was the verb taken? Its operation, which may have ended by now (null: the instance is gone), or undefined when it was not. */
async function arrived(inst, verb, known) {
  try {
    await get(`/compute/instances/${inst.id}`);
    const { operations } = await get(`/operations?instance=${inst.id}&pageSize=1`);
    const mine = (op) => op.kind === `instance.${verb}` && known.every((old) => old.id !== op.id && old.createdAt <= op.createdAt);
    return operations.find(mine)?.id;
  } catch (e) {
    if (e.status === 404 && verb === 'delete') return null;
    throw e;
  }
}

async function ask(inst, verb, force) {
  const path = `/compute/instances/${inst.id}`;
  const { data, operation } =
    verb === 'delete' ? await del(`${path}${force ? '?force=true' : ''}`, NOW) : await put(`${path}/${verb}`, force ? { force: true } : undefined, NOW);
  if (data?.id && data.state) putInstance(data);
  return operation ?? data?.operation?.id ?? null;
}

export async function act(inst, verb, force = false) {
  if (refusal(verb, inst.state, force)) return;
  try {
    followOperation(await send(inst, verb, force), `${VERBS[verb].doing} ${inst.name}`);
  } catch (e) {
    fail(`${inst.name} was not ${VERBS[verb].done}`, e);
  }
}

/** Deleting asks first; what runs must be named. → true when it was asked for */
export async function remove(inst) {
  const force = refusal('delete', inst.state) !== null;
  const yes = await confirm({
    title: `Delete ${inst.name}?`,
    text: force
      ? [`It is ${inst.state}: it will be stopped at once, and what it stored inside is lost.`]
      : ['What it stored inside is lost. This cannot be undone.'],
    verb: 'Delete',
    typed: force ? inst.name : '',
  });
  if (yes) await act(inst, 'delete', force);
  return yes;
}

async function one(inst, verb, force, report) {
  const no = refusal(verb, inst.state, force);
  if (no) return report(inst, 'skipped', no);
  report(inst, 'running', `${VERBS[verb].doing}…`);
  try {
    const id = await send(inst, verb, force);
    const op = id ? await operationEnd(id) : { status: 'done' };
    const bad = op.status !== 'done';
    return report(inst, bad ? 'failed' : 'done', bad ? (op.error?.message ?? op.status) : VERBS[verb].done);
  } catch (e) {
    return report(inst, 'failed', e.message);
  }
}

/** Do it to many, a few at a time; report(inst, 'running'|'done'|'failed'|'skipped', text) for each. */
export async function bulk(instances, verb, report) {
  const queue = [...instances];
  const worker = async () => {
    for (let inst = queue.shift(); inst; inst = queue.shift()) await one(inst, verb, verb === 'delete', report);
  };
  await Promise.all(Array.from({ length: 6 }, worker));
}
