// The part of the create dialog that only a virtual machine has: disk, keys, cloud-init.

import { button, fill, h, uid } from '../dom.js';
import { get } from '../api.js';
import { bytes, parseSize } from '../format.js';
import { store } from '../live.js';
import { codeEditor } from '../parts/editor.js';
import { field, input, select } from '../parts/form.js';

const EXAMPLE = '#cloud-config\npackages:\n  - nginx\n';

export function vmImages() {
  const ready = [...store.images.values()].filter((i) => i.state === 'ready' && i.kind === 'vm');
  ready.sort((a, b) => Number(b.default) - Number(a.default) || a.name.localeCompare(b.name));
  return ready;
}

/** A row of further disks: a name, with the tenant's free volumes proposed. */
export function diskRow() {
  const list = h('datalist', { id: uid('disks') });
  const name = input({ 'aria-label': 'Volume of the disk', placeholder: 'data', spellcheck: 'false', autocapitalize: 'off', list: list.id });
  const only = h('input', { type: 'checkbox' });
  get('/volumes?pageSize=500').then(({ volumes }) => {
    for (const v of volumes) if (v.kind !== 'filesystem' && !v.attachments.length) list.append(h('option', { value: v.name }, bytes(v.sizeBytes)));
  }, () => {});
  return { nodes: [name, list, h('label', { class: 'inline' }, only, 'read only')], first: name, read: () => (name.value.trim() ? name.value.trim() + (only.checked ? ':ro' : '') : null) };
}

/** What an image asks for, in a line under the field. */
const needs = (vm) => [vm.minMemoryBytes ? `at least ${bytes(vm.minMemoryBytes)} of memory` : '', vm.minDiskBytes ? `a disk of ${bytes(vm.minDiskBytes)} or more` : '', vm.defaultUser ? `sign in as ${vm.defaultUser}` : ''].filter(Boolean).join(', ');

function keysNote() {
  const el = h('p', { class: 'hint' }, 'Your SSH keys are put into it.');
  get('/compute/ssh-keys', { base: '' }).then(({ ssh_keys: keys }) => fill(el, keys.length ? `Your ${keys.length === 1 ? 'SSH key is' : `${keys.length} SSH keys are`} put into it.` : ['You have no SSH keys yet: ', h('a', { href: '#/settings/keys' }, 'add one'), ', or paste one here.']), () => {});
  return el;
}

/** Whether this host can, and what one should know though it can. */
function hostNote(el) {
  get('/compute/backends/kvm/info').then(({ status, healthCheck: c }) => {
    const bad = status !== 'running';
    el.classList.toggle('bad-text', bad);
    fill(el, bad ? `There are no virtual machines on this host: ${c.reason}.` : (c.notice ?? ''));
    el.hidden = !el.textContent;
  }, () => (el.hidden = true));
}

/** `flavored()`: does a flavor say the sizes? → {el, draw(shown), read(body), check(), needs(image), end()}; made when it is first
 *  shown, its editor when that is. */
export function vmPart(onchange, flavored) {
  const disk = field('Disk', input({ value: '10G', spellcheck: 'false' }), { path: 'resources.storage', hint: 'Such as 10G; it takes only what is written' });
  const key = field('A further public key', input({ spellcheck: 'false', autocapitalize: 'off', placeholder: 'ssh-ed25519 AAAA… you@laptop' }), { path: 'config.sshKeys' });
  const format = field('Disk format', select([['qcow2', 'qcow2: copies on write'], ['raw', 'raw: a full copy, faster']], 'qcow2'), { path: 'config.diskFormat' });
  const firmware = field('Firmware', select([['bios', 'BIOS'], ['uefi', 'UEFI']], 'bios'), { path: 'config.firmware' });
  const host = h('div', { class: 'code-edit cloud-init' });
  const label = h('span', { class: 'label' }, 'Cloud-init user data');
  const err = h('span', { class: 'field-error', role: 'alert' });
  const fillIn = button('Example', { kind: 'small ghost', onclick: () => (editor?.set(EXAMPLE), onchange()) });
  const init = h('div', { class: 'field', dataset: { path: 'config.cloudInit' } }, h('div', { class: 'code-head' }, label, fillIn), host, err);
  init.setError = (t) => (err.textContent = t ?? '');
  let editor = null;
  const open = () => {
    if (editor) return;
    editor = codeEditor(host, { label: 'Cloud-init user data', text: '', onchange });
    editor.language('yaml');
  };
  const el = h('div', { class: 'vm-part', hidden: true });
  const onHost = h('p', { class: 'hint', role: 'status' });
  const mount = () => {
    hostNote(onHost);
    const more = h('details', { class: 'more' }, h('summary', null, 'Cloud-init, disk format, firmware'), init, h('div', { class: 'pair' }, format, firmware));
    more.addEventListener('toggle', open);
    el.append(...[onHost, disk, keysNote(), key, more]);
  };
  return {
    el,
    draw: (shown) => {
      if (shown && !el.firstChild) mount();
      el.hidden = !shown;
      disk.hidden = flavored();
    },
    read: (body) => {
      body.type = 'vm';
      if (!flavored() && parseSize(disk.control.value) > 0) body.resources.storage = { totalSpace: parseSize(disk.control.value) };
      if (key.control.value.trim()) body.config.sshKeys = [key.control.value.trim()];
      if (format.control.value !== 'qcow2') body.config.diskFormat = format.control.value;
      if (firmware.control.value !== 'bios') body.config.firmware = firmware.control.value;
      if (editor?.text().trim()) body.config.cloudInit = { userData: editor.text() };
    },
    check: () => (flavored() || parseSize(disk.control.value) > 0 ? null : [disk, 'A size such as 10G.']),
    needs: (image) => (image?.vm ? needs(image.vm) : ''),
    end: () => editor?.destroy(),
  };
}
