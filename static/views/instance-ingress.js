// Ingress of one instance: its web addresses, add one, take one away.

import { button, fill, h } from '../dom.js';
import { del, get, post } from '../api.js';
import { refetch, store } from '../live.js';
import { confirm, copyButton } from '../parts/dialog.js';
import { clearErrors, field, formError, input, select, showError } from '../parts/form.js';
import { fail, toast } from '../parts/toast.js';

export async function removeRule(inst, rule) {
  const yes = await confirm({ title: 'Remove this web address?', text: [`${rule.url} will no longer lead to ${inst.name}.`], verb: 'Remove' });
  if (!yes) return;
  try {
    await del(`/compute/instances/${inst.id}/ingress/${rule.port}`);
    toast('good', `${new URL(rule.url).host} removed`);
    refetch(inst.id);
  } catch (e) {
    fail('The address was not removed', e);
  }
}

export const ACCESS = { public: 'anyone', members: 'members of the tenant' };

function ruleRow(inst, rule) {
  return h('tr', { role: 'row' }, h('td', { role: 'cell', class: 'c-name' }, h('a', { class: 'ext', href: rule.url, target: '_blank', rel: 'noopener' }, new URL(rule.url).host)),
    h('td', { role: 'cell', dataset: { word: 'Port inside' }, class: 'num' }, String(rule.targetPort)), h('td', { role: 'cell', dataset: { word: 'Open to' } }, ACCESS[rule.access] ?? rule.access),
    h('td', { role: 'cell', class: 'c-acts' }, copyButton(rule.url), button(`Remove ${rule.host}`, { icon: 'trash', iconOnly: true, kind: 'ghost', onclick: () => removeRule(inst, rule) })));
}

/** There is one rule a port. Another one takes its place; when that is refused, the old one comes back. */
async function replaceRule(path, old, body) {
  if (!old) return (await post(path, body)).data;
  await del(`${path}/${old.port}`);
  try {
    return (await post(path, body)).data;
  } catch (e) {
    await post(path, { port: old.port, targetPort: old.targetPort, host: old.host, access: old.access }).catch(() => {});
    throw e;
  }
}

function ruleForm(inst, rule, reload) {
  const host = field('Host', input({ value: rule?.host ?? inst.name, maxlength: '63', spellcheck: 'false', autocapitalize: 'off' }), { path: 'host', hint: `.${store.session.appsDomain}` });
  const target = field('Port inside', input({ type: 'number', min: '1', max: '65535', value: String(rule?.targetPort ?? 80) }), { path: 'targetPort target_port' });
  const access = field('Open to', select([['public', 'Anyone'], ['members', 'Members of the tenant']], rule?.access ?? 'public'), { path: 'access' });
  const ok = h('button', { type: 'submit', class: 'btn primary' }, rule ? 'Change' : 'Publish');
  const form = h('form', { class: 'line-form', novalidate: true }, host, target, access, ok, formError());
  form.addEventListener('submit', async (e) => {
    e.preventDefault();
    clearErrors(form);
    const body = { port: 443, targetPort: Number(target.control.value), access: access.control.value };
    const label = host.control.value.trim();
    if (label && label !== inst.name) body.host = label;
    ok.disabled = true;
    try {
      const made = await replaceRule(`/compute/instances/${inst.id}/ingress`, rule, body);
      toast('good', `Published at ${new URL(made.url).host}`);
      refetch(inst.id);
      reload();
    } catch (err) {
      if (err.status === 409 && !err.details?.field) err.details = { field: 'host' };
      showError(form, err);
    }
    ok.disabled = false;
  });
  return h('section', { class: 'card wide-card' }, h('h2', null, rule ? 'Change it' : 'Publish a port'), form);
}

export function ingress(ctx, inst) {
  const box = h('div', null);
  const edit = h('div', null);
  let rules = inst.ingress ?? [];
  let formFor = null;
  const draw = () => {
    const key = JSON.stringify(rules[0] ?? {});
    if (formFor !== key) fill(edit, ruleForm(inst, rules[0], reload)); // what is being typed stays otherwise
    formFor = key;
    const head = ['Web address', 'Port inside', 'Open to', ''].map((w) => h('th', { role: 'columnheader', scope: 'col', class: w === 'Port inside' ? 'num' : '' }, w || h('span', { class: 'sr-only' }, 'Actions')));
    fill(box, rules.length
      ? h('table', { class: 'list cards-small', role: 'table', 'aria-label': 'Web addresses' }, h('thead', { role: 'rowgroup' }, h('tr', { role: 'row' }, head)), h('tbody', { role: 'rowgroup' }, rules.map((r) => ruleRow(inst, r))))
      : h('div', { class: 'empty slim' }, h('h2', null, 'Not on the web'), h('p', null, 'Say which port its web server listens on, and it gets an address with a certificate.')));
  };
  const reload = async () => {
    try {
      const page = await get(`/compute/instances/${inst.id}/ingress`);
      rules = page.ingress ?? page.rules ?? page;
      draw();
    } catch {
      /* what the instance itself told stays */
    }
  };
  ctx.on('ingress', reload);
  draw();
  reload();
  return {
    node: h('div', { class: 'stack' }, box, edit),
    update: (i) => {
      if (JSON.stringify(i.ingress ?? []) === JSON.stringify(rules)) return;
      rules = i.ingress ?? [];
      draw();
    },
  };
}
