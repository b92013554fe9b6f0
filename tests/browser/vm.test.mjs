// Virtual machines: made from the dialog, seen and typed to in the Console tab, fetched as images.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mock, mockPerTest, page, real, visit } from './harness.mjs';

mockPerTest({
  instances: 1,
  row: /db/,
  prepare() {
    mock.state.addImage({ name: 'tiny', kind: 'vm', source: 'built', reference: 'localhost/lodge-tiny:1', sizeBytes: 17e6, default: true, public: true, tenant: null, vm: { format: 'qcow2', url: null, sha256: null, virtualBytes: 2 ** 28, minDiskBytes: 2 ** 28, minMemoryBytes: 2 ** 27, defaultUser: 'root', cloudInit: true } });
    mock.state.addInstance({ name: 'db', type: 'vm' }, 'admin', 'running');
  },
});

const dialog = () => page.getByRole('dialog');
const vm = () => mock.state.byName('db');
const open = async (tab) => {
  await page.evaluate(() => localStorage.setItem('lodge.console', 'serial'));
  await visit(page, `${mock.url}/#/instances/${vm().id}/${tab}`);
};
const screen = () => page.locator('.xterm-rows');

test('the dialog makes one: sizes or a flavor, keys, cloud-init in an editor', { skip: real }, async () => {
  await page.getByRole('button', { name: 'Create instance' }).click();
  await dialog().getByLabel('Kind').selectOption('vm');
  assert.deepEqual(await dialog().getByRole('combobox', { name: 'Image' }).locator('option').allTextContents(), ['tiny (default)']);
  await dialog().getByText('at least 128 MiB of memory').waitFor();
  await dialog().getByText('Guests run in software').waitFor();
  assert.equal(await dialog().getByRole('textbox', { name: 'Command', exact: true }).isVisible(), false);
  await dialog().getByRole('textbox', { name: 'Name' }).fill('made');
  await dialog().getByRole('textbox', { name: 'Disk', exact: true }).fill('20G');
  await dialog().getByRole('textbox', { name: 'A further public key' }).fill('ssh-ed25519 AAAA me');
  await dialog().getByText('Cloud-init, disk format, firmware').click();
  await dialog().locator('.cm-content').click();
  await page.keyboard.insertText('#cloud-config\nhostname: made\n');
  await dialog().getByText('"userData"').waitFor();
  assert.match(await dialog().getByLabel('As a command line').textContent(), /--type vm .*--disk 20480M .*--user-data/);
  await dialog().getByRole('button', { name: 'Create', exact: true }).click();
  await page.getByRole('heading', { name: 'made' }).waitFor();
  const made = mock.state.byName('made');
  assert.equal(made.type, 'vm');
  assert.equal(made.resources.storage.totalSpace, 20 * 2 ** 30);
  assert.equal(made.config.cloudInit.userDataBytes, 29);
  assert.deepEqual(made.config.sshKeys, ['ssh-ed25519 AAAA me']);
  assert.equal(made.ingress.length, 0);
});

test('a flavor stands for the sizes', { skip: real }, async () => {
  await page.getByRole('button', { name: 'Create instance' }).click();
  await dialog().getByLabel('Kind').selectOption('vm');
  await dialog().getByRole('textbox', { name: 'Name' }).fill('small-one');
  await dialog().getByLabel('Size').selectOption('small');
  assert.equal(await dialog().getByRole('textbox', { name: 'Memory' }).isVisible(), false);
  await dialog().getByRole('button', { name: 'Create', exact: true }).click();
  await page.getByRole('heading', { name: 'small-one' }).waitFor();
  assert.equal(mock.state.byName('small-one').flavor, 'small');
});

test('further disks and a network of the tenant’s own', { skip: real }, async () => {
  await page.getByRole('button', { name: 'Create instance' }).click();
  await dialog().getByLabel('Kind').selectOption('vm');
  await dialog().getByRole('textbox', { name: 'Name' }).fill('store');
  await dialog().getByText('Further disks, networks, labels').click();
  await dialog().getByRole('button', { name: 'Add disk' }).click();
  await dialog().getByRole('combobox', { name: 'Volume of the disk' }).fill('data');
  await dialog().getByRole('checkbox', { name: 'read only' }).check();
  await dialog().getByLabel('Further network').selectOption('backend');
  assert.match(await dialog().getByLabel('As a command line').textContent(), /--volume data:ro --nic backend/);
  await dialog().getByRole('button', { name: 'Create', exact: true }).click();
  await page.getByRole('heading', { name: 'store', exact: true }).waitFor();
  await page.getByText('data → a disk (read only)').waitFor();
  await page.getByText('backend: 10.0.1.2/24 at 02:6e:00:00:00:01').waitFor();
  assert.deepEqual(mock.state.byName('store').networks.map((n) => n.name), ['backend']);
});

test('the console types, is cut, and comes back by itself', { skip: real }, async () => {
  await open('console');
  await page.getByText('Connected', { exact: true }).waitFor();
  await screen().getByText('db login:').waitFor();
  await page.locator('.console-host').click();
  await page.keyboard.type('root');
  await screen().getByText('db login: root').waitFor();
  mock.state.lines.at(-1).terminate();
  await page.getByText('The other side is gone').waitFor();
  await page.getByText('Connected', { exact: true }).waitFor();
  assert.equal(mock.state.lines.length, 2);
});

test('only looking, and pasting as keys', { skip: real }, async () => {
  await open('console');
  await page.getByText('Connected', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Paste as keys' }).click();
  await page.getByRole('textbox', { name: 'Text to type' }).fill('echo hello');
  await page.getByRole('button', { name: 'Type it' }).click();
  await screen().getByText('echo hello').waitFor();
  await page.getByLabel('Only look').check();
  await page.getByText('Connected; you only look').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Paste as keys' }).getAttribute('aria-disabled'), 'true');
});

test('one that stops says so, and one that starts is shown again', { skip: real }, async () => {
  await open('console');
  await page.getByText('Connected', { exact: true }).waitFor();
  mock.state.setState(vm(), 'stopped', { text: 'the guest powered off' });
  await page.getByText('It is stopped: there is nothing to show.').waitFor();
  await page.getByRole('button', { name: 'Start it' }).waitFor();
  mock.state.setState(vm(), 'running');
  await page.getByText('Connected', { exact: true }).waitFor();
});

test('a container has no console and none of its verbs', { skip: real }, async () => {
  const other = [...mock.state.instances.values()].find((i) => i.type === 'container');
  await visit(page, `${mock.url}/#/instances/${other.id}`);
  await page.getByRole('tab', { name: 'Log' }).waitFor();
  assert.equal(await page.getByRole('tab', { name: 'Console' }).isVisible(), false);
  assert.equal(await page.getByRole('tab', { name: 'Terminal' }).isVisible(), true);
  assert.equal(await page.getByRole('button', { name: 'Sleep' }).count(), 0);
});

test('a shell in a container: typed to, as large as the page, ended and opened again', { skip: real }, async () => {
  const other = [...mock.state.instances.values()].find((i) => i.type === 'container');
  await visit(page, `${mock.url}/#/instances/${other.id}/terminal`);
  await page.getByText('Connected', { exact: true }).waitFor();
  await screen().getByText('/ #').waitFor();
  await page.locator('.console-host').click();
  await page.keyboard.type('uptime');
  await screen().getByText('/ # uptime').waitFor();
  assert.equal(await page.getByLabel('Only look').count(), 0);
  const [columns, rows] = mock.state.lines.at(-1).size;
  assert.ok(columns > 60 && rows > 10, `${columns} × ${rows}`);
  await page.keyboard.press('Control+d');
  await page.getByText('The shell has ended.').waitFor();
  await page.getByRole('button', { name: 'Open another' }).click();
  await page.getByText('Connected', { exact: true }).waitFor();
  mock.state.setState(other, 'stopped', { text: 'stopped by admin' });
  await page.getByText('It is stopped: there is nothing to show.').waitFor();
});

test('a disk is fetched by its address', { skip: real }, async () => {
  await visit(page, `${mock.url}/#/images`);
  await page.getByRole('button', { name: 'Fetch a disk' }).click();
  const url = dialog().getByRole('textbox', { name: 'Address' });
  await url.fill('http://example.org/x.qcow2');
  await dialog().getByRole('textbox', { name: 'Name' }).fill('fetched');
  await dialog().getByRole('button', { name: 'Fetch', exact: true }).click();
  await dialog().getByText('It must be an https:// address').waitFor();
  await url.fill('https://cloud.example/debian-12.qcow2');
  await dialog().getByRole('textbox', { name: 'Signs in as' }).fill('debian');
  await dialog().getByRole('button', { name: 'Fetch', exact: true }).click();
  await page.getByRole('row', { name: /fetched/ }).waitFor();
  const image = [...mock.state.images.values()].find((i) => i.name === 'fetched');
  assert.ok(image);
  assert.equal(image.vm.defaultUser, 'debian');
});

test('text as keys on a US keyboard', { skip: real }, async () => {
  const pressed = await page.evaluate(async () => {
    const { typeText } = await import('/parts/keys.js');
    const all = [];
    await typeText('aB\n€', (sym, down) => all.push([sym, down]));
    return all;
  });
  assert.deepEqual(pressed, [[0x61, true], [0x61, false], [0xffe1, true], [0x42, true], [0x42, false], [0xffe1, false], [0xff0d, true], [0xff0d, false], [0x10020ac, true], [0x10020ac, false]]);
});
