// The create dialog, failures that are shown where they belong, keyboard alone, the settings.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { again, axe, mock, mockPerTest, page, real, visit } from './harness.mjs';

mockPerTest({ instances: 2, row: /app-001/ });

const dialog = () => page.getByRole('dialog');
const openCreate = () => page.getByRole('button', { name: 'Create instance' }).click();

test('errors stand at their field: found here, and found by the server', { skip: real }, async () => {
  await openCreate();
  await dialog().getByRole('button', { name: 'Create', exact: true }).click();
  await dialog().getByText('Give it a name.').waitFor();
  const name = dialog().getByRole('textbox', { name: 'Name' });
  assert.equal(await name.evaluate((e) => e === document.activeElement), true);
  await name.fill('app-001');
  await dialog().getByRole('textbox', { name: 'Memory' }).fill('1K');
  await dialog().getByRole('button', { name: 'Create', exact: true }).click();
  await dialog().getByText('the name app-001 is taken').waitFor();
  assert.equal(await name.getAttribute('aria-invalid'), 'true');
  await name.fill('app-new');
  await dialog().getByRole('button', { name: 'Create', exact: true }).click();
  await dialog().getByText('at least 4 MiB').waitFor();
  assert.equal(await dialog().getByRole('textbox', { name: 'Memory' }).getAttribute('aria-invalid'), 'true');
  assert.equal(mock.state.byName('app-new'), undefined);
});

test('the dialog says what the quota leaves, and nothing where nothing is limited', { skip: real }, async () => {
  await openCreate();
  await dialog().getByRole('textbox', { name: 'Name' }).waitFor();
  assert.equal(await dialog().getByText('quota').count(), 0);
  await page.keyboard.press('Escape');
  mock.state.quotas.set(mock.state.tenants[0].id, { limit: { instances: 3, memory: 8 * 2 ** 30 }, version: 1 });
  await openCreate();
  await dialog().getByText(/^Left of the tenant’s quota: 1 instance, .* memory\.$/).waitFor();
});

test('everything that was filled in arrives, and the previews say the same without the secret', { skip: real }, async () => {
  await openCreate();
  await dialog().getByRole('textbox', { name: 'Name' }).fill('full');
  await dialog().getByRole('combobox', { name: 'Image' }).selectOption('nginx');
  await dialog().getByRole('spinbutton', { name: 'CPU cores' }).fill('0.5');
  await dialog().getByRole('textbox', { name: 'Memory' }).fill('1G');
  await dialog().getByRole('spinbutton', { name: 'Port it listens on' }).fill('9000');
  await dialog().getByText(/^Command, environment/).click();
  await dialog().getByRole('textbox', { name: 'Command' }).fill('sh -c "echo it\'s on"');
  await dialog().getByRole('button', { name: 'Add variable' }).click();
  await dialog().getByRole('textbox', { name: 'NAME', exact: true }).fill('KEY');
  await dialog().getByRole('textbox', { name: 'value' }).fill('hush-hush');
  await dialog().getByRole('checkbox', { name: 'secret' }).check();
  await dialog().getByRole('button', { name: 'Add port' }).click();
  await dialog().getByRole('textbox', { name: 'Port on the host' }).fill('8053');
  await dialog().getByRole('textbox', { name: 'Port in the instance' }).fill('53');
  await dialog().getByRole('combobox', { name: 'Protocol' }).selectOption('udp');
  await dialog().getByRole('combobox', { name: 'Restart policy' }).selectOption('always');
  await dialog().getByRole('textbox', { name: 'Disk space' }).fill('10G');
  const shown = await dialog().getByRole('complementary').innerText();
  assert.doesNotMatch(shown, /hush/);
  assert.match(shown, /--publish 8053:53\/udp/);
  assert.match(shown, /--disk 10240M/);
  assert.match(shown, /"storage": \{ "totalSpace": 10737418240 \}/);
  assert.match(shown, /echo it'\\''s on/);
  await dialog().getByRole('button', { name: 'Create', exact: true }).click();
  await page.getByRole('heading', { name: 'full', level: 1 }).waitFor();
  const made = mock.state.byName('full');
  assert.deepEqual(made.config.command, ['sh', '-c', "echo it's on"]);
  assert.deepEqual(made.config.env, ['KEY=********']);
  assert.deepEqual(made.config.ports, ['8053:53/udp']);
  assert.equal(made.config.restartPolicy, 'always');
  assert.deepEqual(made.resources, { cpu: { cores: 0.5 }, memory: { limit: 2 ** 30, used: 0 }, pending: [] });
  assert.equal(made.ingress[0].targetPort, 9000);
});

test('an image that is not in the catalogue, by its reference', { skip: real }, async () => {
  await openCreate();
  const image = dialog().getByRole('combobox', { name: 'Image' });
  const reference = dialog().getByRole('textbox', { name: 'Image reference' });
  await dialog().getByRole('textbox', { name: 'Name' }).fill('fetched');
  assert.equal(await reference.isVisible(), false);
  await image.selectOption('Another one, by its reference');
  await dialog().getByRole('button', { name: 'Create', exact: true }).click();
  await dialog().getByText('Which image?').waitFor();
  assert.equal(await reference.evaluate((e) => e === document.activeElement), true);
  await reference.fill('quay.io/app:1 --privileged');
  await dialog().getByRole('button', { name: 'Create', exact: true }).click();
  await dialog().getByText('It must be an image reference such as nginx:alpine').waitFor();
  assert.equal(await reference.getAttribute('aria-invalid'), 'true');
  await axe(page, 'an image by its reference');
  await reference.fill(' quay.io/app:1 ');
  assert.match(await dialog().getByLabel('As a command line').textContent(), /create fetched --image quay\.io\/app:1 --cpus/);
  await dialog().getByRole('combobox', { name: 'Kind' }).selectOption('vm');
  assert.equal(await reference.isVisible(), false, 'a machine’s disk is in the catalogue');
  await dialog().getByRole('combobox', { name: 'Kind' }).selectOption('container');
  await image.selectOption('Another one, by its reference');
  assert.equal(await reference.inputValue(), ' quay.io/app:1 ');
  await dialog().getByRole('button', { name: 'Create', exact: true }).click();
  await page.getByRole('heading', { name: 'fetched', level: 1 }).waitFor();
  assert.equal(mock.state.byName('fetched').config.image, 'quay.io/app:1');
});

test('a flavor stands for the sizes of a container, and is where the server’s word about them is shown', { skip: real }, async () => {
  mock.state.flavors.push({ name: 'graphics', vcpus: 4, ramGB: 8, diskGB: 80, gpus: 1, description: '' });
  await openCreate();
  const size = dialog().getByRole('combobox', { name: 'Size' });
  await dialog().getByRole('textbox', { name: 'Name' }).fill('sized');
  await dialog().getByRole('textbox', { name: 'Memory' }).fill('what I typed');
  await dialog().getByRole('combobox', { name: 'Kind' }).selectOption('vm');
  await size.selectOption('graphics');
  await dialog().getByRole('combobox', { name: 'Kind' }).selectOption('container');
  assert.equal(await size.inputValue(), '', 'a GPU is a virtual machine’s');
  assert.equal(await size.locator('option[value=graphics]').isDisabled(), true);
  await size.selectOption('small');
  await dialog().getByText(/^Command, environment/).click();
  for (const name of ['Memory', 'Disk space']) assert.equal(await dialog().getByRole('textbox', { name }).isVisible(), false);
  assert.match(await dialog().getByLabel('As a command line').textContent(), /^lodge instance create sized --image lodge-base --flavor small --ingress 80$/);
  await axe(page, 'a container with a flavor');
  const error = { code: 'RESOURCE_LIMIT_EXCEEDED', message: 'the tenant\'s quota of memory would be passed: 1 of 2 bytes are taken', details: { limit: 'memory', unit: 'bytes' } };
  await page.route('**/compute/instances', (r) => (r.request().method() === 'POST' ? r.fulfill({ status: 403, json: { error } }) : r.continue()));
  await dialog().getByRole('button', { name: 'Create', exact: true }).click();
  await dialog().getByText(/quota of memory would be passed/).waitFor();
  assert.equal(await size.getAttribute('aria-invalid'), 'true');
  await page.unroute('**/compute/instances');
  await dialog().getByRole('button', { name: 'Create', exact: true }).click();
  await page.getByRole('heading', { name: 'sized', level: 1 }).waitFor();
  const made = mock.state.byName('sized');
  assert.deepEqual([made.type, made.flavor, made.resources.cpu.cores, made.resources.memory.limit], ['container', 'small', 1, 2 * 2 ** 30]);
});

test('with the keyboard alone: filter, create, stop, delete by name', { skip: real }, async () => {
  await page.keyboard.press('/');
  assert.equal(await page.evaluate(() => document.activeElement.type), 'search');
  await page.keyboard.type('app-001');
  await page.keyboard.press('Escape');
  assert.equal(await page.locator('tbody tr').count(), 2);
  await page.getByRole('button', { name: 'Create instance' }).focus();
  await page.keyboard.press('Enter');
  await dialog().waitFor();
  await page.keyboard.press('Escape');
  await dialog().waitFor({ state: 'detached' });
  await page.waitForFunction(() => document.activeElement.innerText === 'Create instance'); // the focus is back
  await page.keyboard.press('Enter');
  await dialog().waitFor();
  await page.waitForFunction(() => document.activeElement.matches('dialog input'));
  await page.keyboard.type('keys');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'keys', level: 1 }).waitFor();
  await page.locator('.detail-head .state', { hasText: 'running' }).waitFor();
  await page.getByRole('tab', { name: 'Overview' }).focus();
  await page.keyboard.press('ArrowRight');
  await page.getByRole('log').waitFor();
  await page.getByRole('button', { name: 'Delete', exact: true }).focus();
  await page.keyboard.press('Enter');
  await dialog().waitFor();
  await page.waitForFunction(() => document.activeElement.matches('dialog input'));
  await page.keyboard.type('key');
  await page.keyboard.press('Enter');
  assert.equal(await dialog().count(), 1, 'the name is not complete');
  await page.keyboard.type('s');
  await page.keyboard.press('Enter');
  await page.getByText('keys was deleted.').waitFor();
});

test('a verb that cannot be used says why, and does nothing', { skip: real }, async () => {
  const start = page.getByRole('button', { name: 'Start app-001' });
  assert.equal(await start.getAttribute('aria-disabled'), 'true');
  assert.equal(await start.getAttribute('title'), 'The instance is running; only a stopped one can be started.');
  await start.click({ force: true });
  await page.waitForTimeout(150);
  assert.equal(mock.state.operations.size, 0);
});

test('images: pull with progress, a failure, aliases, default, upload, delete', { skip: real }, async () => {
  await visit(page, `${mock.url}/#/images`);
  await page.getByRole('heading', { name: 'Images' }).waitFor();
  const row = (name) => page.getByRole('row', { name: new RegExp(name) });
  await row('lodge-base').waitFor();
  await page.getByRole('button', { name: 'Pull image' }).click();
  await dialog().getByRole('textbox', { name: 'Reference' }).fill('not a reference');
  await dialog().getByRole('button', { name: 'Pull', exact: true }).click();
  await dialog().getByText('that is no image reference').waitFor();
  await dialog().getByRole('textbox', { name: 'Reference' }).fill('docker.io/library/missing:1');
  await dialog().getByRole('button', { name: 'Pull', exact: true }).click();
  await row('missing').getByText('the registry has no such image').waitFor();
  await page.getByRole('button', { name: 'Upload' }).click();
  await dialog().getByLabel('File').setInputFiles({ name: 'tool.tar', mimeType: 'application/x-tar', buffer: Buffer.alloc(100000) });
  assert.equal(await dialog().getByRole('textbox', { name: 'Name' }).inputValue(), 'tool');
  await dialog().getByRole('button', { name: 'Upload', exact: true }).click();
  await row('tool').locator('.state', { hasText: 'ready' }).waitFor();
  await row('tool').getByRole('button', { name: 'Make the default: tool' }).click();
  await row('tool').getByText('default', { exact: true }).waitFor();
  await row('tool').getByRole('button', { name: 'Change tool' }).click();
  await dialog().getByRole('textbox', { name: 'Aliases' }).fill('hammer, saw');
  await dialog().getByRole('button', { name: 'Save' }).click();
  await row('tool').getByText('hammer').waitFor();
  await row('lodge-base').getByRole('button', { name: 'Delete lodge-base' }).click();
  await dialog().getByRole('button', { name: 'Delete' }).click();
  await page.getByRole('alert').getByText('lodge-base is in use').waitFor();
});

test('ingress: publish under another name, a taken one, remove', { skip: real }, async () => {
  await page.getByRole('link', { name: 'app-001' }).click();
  await page.getByRole('tab', { name: 'Ingress' }).click();
  await page.getByText('Not on the web').waitFor();
  await page.getByRole('textbox', { name: 'Host' }).fill('shop');
  await page.getByRole('button', { name: 'Publish' }).click();
  await page.getByRole('row', { name: /shop\.apps\.localhost/ }).waitFor();
  await page.getByRole('spinbutton', { name: 'Port inside' }).fill('9001');
  await page.getByRole('button', { name: 'Change', exact: true }).click();
  await page.getByRole('row', { name: /shop\.apps\.localhost.*9001/ }).waitFor();
  await page.getByRole('link', { name: 'Instances', exact: true }).first().click();
  await page.getByRole('link', { name: 'app-002' }).click();
  await page.getByRole('tab', { name: 'Ingress' }).click();
  await page.getByRole('textbox', { name: 'Host' }).fill('shop');
  await page.getByRole('button', { name: 'Publish' }).click();
  await page.getByText('the host shop is taken').waitFor();
  await page.getByRole('link', { name: 'Ingress', exact: true }).click();
  await page.getByRole('row', { name: /shop\.apps\.localhost.*app-001/ }).getByRole('button', { name: 'Remove shop' }).click();
  await dialog().getByRole('button', { name: 'Remove' }).click();
  await page.getByText('Nothing is published').waitFor();
});

test('settings: a token shown once, revoked; a user with an error; the password', { skip: real }, async () => {
  await visit(page, `${mock.url}/#/settings/tokens`);
  await page.getByRole('textbox', { name: 'Name' }).fill('ci');
  await page.getByRole('button', { name: 'Create token' }).click();
  assert.match(await page.locator('.token-value').innerText(), /^lodge_/);
  await page.getByRole('button', { name: 'I have it' }).click();
  await page.getByRole('button', { name: 'Revoke ci' }).click();
  await dialog().getByRole('button', { name: 'Revoke' }).click();
  await page.getByText('revoked', { exact: true }).waitFor();
  await page.getByRole('link', { name: 'Users' }).click();
  await page.getByRole('textbox', { name: 'User name' }).fill('bob');
  await page.getByLabel('Password').fill('short');
  await page.getByRole('button', { name: 'Add user' }).click();
  await page.getByText('a password has at least 10 characters').waitFor();
  await page.getByLabel('Password').fill('long enough now');
  await page.getByRole('button', { name: 'Add user' }).click();
  await page.getByRole('row', { name: /bob/ }).waitFor();
  await page.getByRole('link', { name: 'Account', exact: true }).click();
  await page.getByLabel('Current password').fill('wrong');
  await page.getByLabel('New password', { exact: true }).fill('correct-horse-2');
  await page.getByLabel('New password again').fill('correct-horse-2');
  await page.getByRole('button', { name: 'Change password' }).click();
  await page.getByText('the current password is wrong').waitFor();
  await page.getByRole('link', { name: 'Audit log' }).click();
  await page.getByRole('row', { name: /POST \/api\/v1\/users/ }).first().waitFor();
});

test('the theme that was chosen stays', { skip: real }, async () => {
  await page.emulateMedia({ colorScheme: 'light' });
  await page.getByRole('button', { name: 'Use the dark theme' }).click();
  await again(page);
  await page.getByRole('button', { name: 'Use the light theme' }).waitFor();
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).colorScheme), 'dark');
  await page.evaluate(() => localStorage.clear());
});

test('disk space that is nearly used up is said at once, and stands among the events', { skip: real }, async () => {
  const inst = mock.state.byName('app-002');
  await visit(page, `${mock.url}/#/instances/${inst.id}/events`);
  await page.getByRole('heading', { name: 'app-002', level: 1 }).waitFor();
  mock.state.emit('instance.storage', { type: 'instance', id: inst.id, name: inst.name }, { level: 'warning', used: 9.2e9, limit: 1e10, percent: 92 });
  await page.getByRole('alert').getByText('app-002 has used 92 % of its disk space').waitFor();
  await page.getByText(/its disk space is nearly used up: .* of /).waitFor();
});

test('a dialog goes with the view it was opened over', { skip: real }, async () => {
  await openCreate();
  await dialog().waitFor();
  await page.evaluate(() => (location.hash = '#/images'));
  await dialog().waitFor({ state: 'detached' });
  await page.getByRole('heading', { name: 'Images', level: 1 }).waitFor();
});

test('what the host has not is told at its field, in amounts that people read', { skip: real }, async () => {
  const error = { code: 'RESOURCE_LIMIT_EXCEEDED', message: 'this host has 25276026880 bytes of memory, and one instance gets no more: 4294967296000 were asked for', details: { limit: 'memory', unit: 'bytes' } };
  await page.route('**/compute/instances', (r) => (r.request().method() === 'POST' ? r.fulfill({ status: 403, json: { error } }) : r.continue()));
  await openCreate();
  await dialog().getByRole('textbox', { name: 'Name' }).fill('big');
  await dialog().getByRole('button', { name: 'Create', exact: true }).click();
  await dialog().getByText('this host has 23.5 GiB of memory, and one instance gets no more: 3.9 TiB were asked for').waitFor();
  assert.equal(await dialog().getByRole('textbox', { name: 'Memory' }).getAttribute('aria-invalid'), 'true');
});

test('on a narrow screen the tab that the address names is in sight', { skip: real }, async () => {
  await page.setViewportSize({ width: 390, height: 800 });
  await visit(page, `${mock.url}/#/instances/${mock.state.byName('app-001').id}/configuration`);
  await again(page);
  await page.getByLabel('The instance as JSON').waitFor();
  const { x, width } = await page.getByRole('tab', { name: 'Configuration', selected: true }).boundingBox();
  assert.ok(x >= 0 && x + width <= 390, `from ${x}, ${width} wide`);
});

test('what was done to an instance by way of a volume or network has a name', { skip: real }, async () => {
  const titles = await page.evaluate(async () => {
    const { opTitle } = await import('/parts/toast.js');
    return [['volume.create', 'done', { volumeName: 'data' }], ['volume.attach', 'done', { instanceName: 'web' }], ['network.detach', 'failed', { instanceName: 'web' }], ['instance.resize', 'running', { instanceName: 'web' }]]
      .map(([kind, status, names]) => opTitle({ kind, status, ...names }));
  });
  assert.deepEqual(titles, ['data created', 'web has the volume', 'Detaching a network from web failed', 'Resizing web']);
});
