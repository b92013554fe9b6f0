// Settings: quota, keys, members and users, the audit record; errors at their field, questions before what cannot be undone.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { again, mock, oneMock, page, pagePerTest, real, signIn, visit } from './harness.mjs';

oneMock({ instances: 3 });
pagePerTest();

const dialog = () => page.getByRole('dialog');
const row = (text) => page.getByRole('row').filter({ hasText: text });

test('limits are set, wrong ones are told at their field, and nobody overwrites another', { skip: real }, async () => {
  await signIn(page, mock.url, '#/settings/quota');
  await page.getByRole('button', { name: 'Change limits' }).click();
  await dialog().getByLabel('Memory', { exact: true }).fill('a lot');
  await dialog().getByRole('button', { name: 'Save' }).click();
  await dialog().getByText('That is no amount.').waitFor();
  assert.equal(await dialog().getByLabel('Memory', { exact: true }).getAttribute('aria-invalid'), 'true');
  await dialog().getByLabel('Memory', { exact: true }).fill('8G');
  await dialog().getByLabel('Instances').fill('2000000');
  await dialog().getByRole('button', { name: 'Save' }).click();
  await dialog().getByText('It is at most 1000000').waitFor();
  await dialog().getByLabel('Instances').fill('3');
  await dialog().getByRole('button', { name: 'Save' }).click();
  await dialog().waitFor({ state: 'detached' });
  const tenant = mock.state.tenants[0].id;
  assert.deepEqual(mock.state.quotas.get(tenant).limit, { instances: 3, memory: 8 * 2 ** 30 });
  const full = page.getByRole('listitem').filter({ hasText: 'Instances' });
  await full.getByText('of 3').waitFor();
  await full.getByText('full').waitFor();
  assert.match(await page.getByRole('listitem').filter({ hasText: 'Storage' }).textContent(), /no limit/);

  await page.getByRole('listitem').filter({ hasText: 'Time of a code run' }).getByText('what the host allows').waitFor();
  await page.getByRole('button', { name: 'Change limits' }).click();
  await dialog().getByLabel('Time of a code run').fill('2.5');
  await dialog().getByLabel('Output of a code run').fill('64K');
  await dialog().getByRole('button', { name: 'Save' }).click();
  await dialog().waitFor({ state: 'detached' });
  assert.deepEqual(mock.state.quotas.get(tenant).limit, { instances: 3, memory: 8 * 2 ** 30, codeTimeMs: 2500, codeOutput: 65536 });
  await page.getByRole('listitem').filter({ hasText: 'Time of a code run' }).getByText('at most 2.5 s').waitFor();

  await page.getByRole('button', { name: 'Change limits' }).click();
  assert.equal(await dialog().getByLabel('Time of a code run').inputValue(), '2.5');
  assert.equal(await dialog().getByLabel('Memory', { exact: true }).inputValue(), '8G');
  mock.state.quotas.get(tenant).version++;
  await dialog().getByRole('button', { name: 'Save' }).click();
  await dialog().getByText('Somebody else changed the limits meanwhile.').waitFor();
  await page.keyboard.press('Escape');
});

test('a flavor is made, a wrong amount is told at its field, and one that must stay is refused', { skip: real }, async () => {
  await signIn(page, mock.url, '#/settings/flavors');
  await row('Medium instance').waitFor();
  await page.getByRole('textbox', { name: 'Name' }).fill('tall');
  await page.getByLabel('CPU cores').fill('2');
  await page.getByLabel('Memory', { exact: true }).fill('much');
  await page.getByLabel('Disk').fill('20G');
  await page.getByRole('button', { name: 'Add flavor' }).click();
  await page.getByText('That is no amount.').waitFor();
  assert.equal(await page.getByLabel('Memory', { exact: true }).getAttribute('aria-invalid'), 'true');
  await page.getByLabel('Memory', { exact: true }).fill('512M');
  await page.getByRole('button', { name: 'Add flavor' }).click();
  await row('512 MiB').waitFor();
  assert.deepEqual(mock.state.flavors.at(-1), { name: 'tall', vcpus: 2, ramGB: 0.5, diskGB: 20, description: '' });
  await page.getByRole('button', { name: 'Forget small' }).click();
  await dialog().getByRole('button', { name: 'Forget' }).click();
  await page.getByText('small is what instances get').waitFor();
  await page.getByRole('button', { name: 'Forget tall' }).click();
  await dialog().getByRole('button', { name: 'Forget' }).click();
  await row('512 MiB').waitFor({ state: 'detached' });
});

test('a tenant has a page with its quota and its members', { skip: real }, async () => {
  await signIn(page, mock.url, '#/settings/tenants');
  await page.getByRole('link', { name: 'lab' }).click();
  await page.getByRole('heading', { name: 'Quota of Laboratory' }).waitFor();
  await page.getByRole('heading', { name: 'Members of Laboratory' }).waitFor();
  await page.getByRole('button', { name: 'Make owner: ada' }).click();
  await page.getByText('ada is owner now').waitFor();
  await page.getByText('They have no network.').waitFor();
  await page.getByRole('button', { name: 'Allow the network' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Allow' }).click();
  await page.getByText(/They are on the tenant’s network/).waitFor();
  assert.ok(mock.state.tenants.some((t) => t.codeNetwork));
  await page.getByRole('button', { name: 'Take the network away' }).click();
  await page.getByText('They have no network.').waitFor();
  await page.goBack();
  await page.getByRole('heading', { name: 'Tenants', exact: true }).waitFor();
  await visit(page, `${mock.url}/#/settings/tenants/none`);
  await page.getByRole('heading', { name: 'There is no such tenant' }).waitFor();
});

test('a key is pasted, named by its comment, and removed; a private one is refused before it leaves', { skip: real }, async () => {
  await signIn(page, mock.url, '#/settings/keys');
  await page.getByRole('heading', { name: 'No keys yet' }).waitFor();
  let sent = 0;
  page.on('request', (r) => (sent += r.method() === 'POST' && r.url().endsWith('/ssh-keys')));
  const key = page.getByLabel('Public key');
  await page.getByRole('textbox', { name: 'Name' }).fill('mine');
  await key.fill('-----BEGIN OPENSSH PRIVATE KEY-----\nabc');
  await page.getByRole('button', { name: 'Add key' }).click();
  await page.getByText('That is a private key').waitFor();
  assert.equal(sent, 0);
  await page.getByRole('textbox', { name: 'Name' }).fill('');
  await key.fill('nonsense');
  await page.getByRole('textbox', { name: 'Name' }).fill('mine');
  await page.getByRole('button', { name: 'Add key' }).click();
  await page.getByText('It is no OpenSSH public key').waitFor();
  await page.getByRole('textbox', { name: 'Name' }).fill('');
  await key.fill('ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJzQ8kq3 ada@laptop');
  assert.equal(await page.getByRole('textbox', { name: 'Name' }).inputValue(), 'ada@laptop');
  await page.getByRole('button', { name: 'Add key' }).click();
  await row('ada@laptop').getByText('Ed25519').waitFor();
  await row('ada@laptop').getByRole('button', { name: 'Remove ada@laptop' }).click();
  await dialog().getByRole('button', { name: 'Remove' }).click();
  await page.getByRole('heading', { name: 'No keys yet' }).waitFor();
});

test('a user is changed', { skip: real }, async () => {
  await signIn(page, mock.url, '#/settings/users');
  await page.getByRole('button', { name: 'Change ada' }).click();
  await dialog().getByLabel('Role').selectOption('admin');
  await dialog().getByRole('button', { name: 'Save' }).click();
  await row('ada').getByText('admin', { exact: true }).waitFor();
  assert.equal(mock.state.users.find((u) => u.username === 'ada').role, 'admin');
});

test('the audit record is filtered by the server, page by page, and the filter is in the address', { skip: real }, async () => {
  mock.state.audit.push(...Array.from({ length: 120 }, (_, i) => ({ id: 1000 + i, at: new Date().toISOString(), user: i % 2 ? 'ada' : 'bob', token: null, address: '127.0.0.1', action: 'instance.create', subject: `i${i}`, tenant: 'main', result: i % 7 ? 'ok' : 'CONFLICT', details: '' })));
  await signIn(page, mock.url, '#/settings/audit');
  await page.getByText(/^50 of 1\d\d$/).waitFor();
  await page.getByRole('button', { name: 'Show older' }).click();
  await page.getByText(/^100 of 1\d\d$/).waitFor();
  await page.keyboard.press('/');
  await page.keyboard.type('bob');
  await page.getByText('50 of 60').waitFor();
  assert.match(page.url(), /#\/settings\/audit\?q=bob$/);
  await again(page);
  await page.getByText('50 of 60').waitFor();
  await page.getByRole('searchbox').fill('nobody at all');
  await page.getByRole('heading', { name: 'None matches' }).waitFor();
  await page.getByRole('button', { name: 'Clear the filter' }).click();
  await page.getByText(/^50 of 1\d\d$/).waitFor();
});

test('a new tenant is offered in the header at once; a form goes back to its defaults', { skip: real }, async () => {
  await signIn(page, mock.url, '#/settings/tenants');
  await page.getByLabel('Short name').fill('shop');
  await page.getByRole('button', { name: 'Add tenant' }).click();
  await page.getByLabel('Tenant', { exact: true }).getByRole('option', { name: 'shop' }).waitFor({ state: 'attached' });
  await page.getByRole('link', { name: 'API tokens' }).click();
  const expires = page.getByLabel('Expires');
  const usual = await expires.inputValue();
  await expires.selectOption({ index: 0 });
  await page.getByRole('textbox', { name: 'Name' }).fill('ci');
  await page.getByRole('button', { name: 'Create token' }).click();
  await page.getByText('shown only this once').waitFor();
  assert.equal(await expires.inputValue(), usual);
});
