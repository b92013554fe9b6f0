// One's own SSH keys: pasted, listed by fingerprint, removed. They belong to the user, whatever the tenant.

import { h } from '../dom.js';
import { del, post } from '../api.js';
import { copyText } from '../parts/dialog.js';
import { field, input } from '../parts/form.js';
import { act, cell, change, lineForm, listing, nothing, row, table, when } from '../parts/table.js';

const ROOT = { base: '' }; // the API of clouds has no prefix
const kindOf = (key) => ({ 'ssh-ed25519': 'Ed25519', 'ssh-rsa': 'RSA' })[key.split(' ')[0]] ?? (key.startsWith('ecdsa-') ? 'ECDSA' : key.startsWith('sk-') ? 'security key' : '–');

export function keys() {
  const form = (load) => {
    const name = field('Name', input({ placeholder: 'laptop' }), { path: 'name' });
    const key = field('Public key', h('textarea', { rows: '2', spellcheck: 'false', autocapitalize: 'off', autocomplete: 'off', placeholder: 'ssh-ed25519 AAAA… you@laptop' }), { path: 'public_key', cls: 'wide', hint: 'The one line of the .pub file; never the private key' });
    // the end of the line usually says whose key it is
    key.control.addEventListener('input', () => (name.control.value ||= key.control.value.trim().split(/\s+/)[2]?.slice(0, 64) ?? ''));
    const send = () => {
      if (/PRIVATE KEY/.test(key.control.value)) throw Object.assign(new Error('That is a private key: keep it to yourself, and paste the .pub file.'), { details: { field: 'public_key' } });
      return post('/compute/ssh-keys', { name: name.control.value.trim(), public_key: key.control.value.trim() }, ROOT);
    };
    return lineForm([name, key], 'Add key', send, load);
  };
  const line = (k, load) => {
    const remove = () => change({ ask: { title: `Remove ${k.name}?`, text: ['Whoever signs in with it cannot any more.'], verb: 'Remove' }, send: () => del(`/compute/ssh-keys/${k.id}`, ROOT), said: `${k.name} removed`, failed: `${k.name} was not removed`, reload: load });
    return row(cell('Name', h('strong', null, k.name)), cell('Kind', kindOf(k.public_key)), cell('Fingerprint', h('span', { class: 'mono' }, copyText(k.fingerprint))), cell('Added', when(k.created_at)), cell('', act(`Remove ${k.name}`, 'trash', remove)));
  };
  const draw = (page, load) => (page.ssh_keys.length ? table('SSH keys', ['Name', 'Kind', 'Fingerprint', 'Added', ''], page.ssh_keys.map((k) => line(k, load))) : nothing('key', 'No keys yet', 'An SSH key is how you sign in to an instance that has SSH, without a password.'));
  return listing({ title: 'SSH keys', form, path: '/compute/ssh-keys', opts: ROOT, draw }).node;
}
