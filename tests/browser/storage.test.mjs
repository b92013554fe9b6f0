// Volumes and networks: made, attached, grown, detached and deleted from the dashboard; named in the create dialog.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { axe, browser, clean, mock, noSideways, oneMock, openPage, real, signIn, visit } from './harness.mjs';

oneMock({ instances: 3 });

async function open(path) {
  await browser.context.clearCookies();
  const page = await openPage(browser.context);
  await signIn(page, mock.url);
  await visit(page, `${mock.url}/#${path}`);
  return page;
}

const row = (page, name) => page.getByRole('row', { name: new RegExp(name) });
const shot = (page, name) => process.env.SHOTS && page.screenshot({ path: `${process.env.SHOTS}/${name}.png` });

test('a volume from its making to its end', { skip: real }, async () => {
  const page = await open('/volumes');
  await row(page, 'archive').getByText('ready').waitFor();
  await page.getByRole('button', { name: 'Create volume' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name').fill('Not OK');
  await dialog.getByLabel('Size').fill('2G');
  await dialog.getByRole('button', { name: 'Create' }).click();
  await dialog.getByText(/must be 1 to 63/).first().waitFor();
  await dialog.getByLabel('Name').fill('data');
  await dialog.getByLabel('Size').fill('much');
  await dialog.getByRole('button', { name: 'Create' }).click();
  await dialog.getByText(/no size/).first().waitFor();
  await dialog.getByLabel('Size').fill('2G');
  await axe(page, 'the volume dialog');
  await dialog.getByRole('button', { name: 'Create' }).click();
  await row(page, 'data').getByText('not yet decided').waitFor();
  await row(page, 'data').getByRole('button', { name: 'Attach data' }).click();
  await page.getByRole('dialog').getByLabel('Path').fill('/data');
  await page.getByRole('dialog').getByRole('button', { name: 'Attach' }).click();
  await row(page, 'data').getByText('/data').waitFor();
  await axe(page, 'the volumes');
  await shot(page, 'volumes');
  await page.setViewportSize({ width: 360, height: 740 });
  await noSideways(page, 'volumes at 360');
  await shot(page, 'volumes-360');
  await page.setViewportSize({ width: 1280, height: 800 });
  await row(page, 'data').getByRole('button', { name: 'Delete data' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await page.getByText('detach it first').first().waitFor();
  await row(page, 'data').getByRole('button', { name: /Detach data from/ }).click();
  await row(page, 'data').getByText('nothing').waitFor();
  await row(page, 'data').getByRole('button', { name: 'Grow data' }).click();
  await page.getByRole('dialog').getByLabel('New size').fill('3G');
  await page.getByRole('dialog').getByRole('button', { name: 'Grow' }).click();
  await row(page, 'data').getByText(/^3(\.0)? GiB$/).waitFor();
  await row(page, 'data').getByRole('button', { name: 'Delete data' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click();
  await row(page, 'data').waitFor({ state: 'detached' });
  clean(page);
  await page.close();
});

test('a network, and who is on it', { skip: real }, async () => {
  const page = await open('/networks');
  await row(page, 'backend').getByText('10.0.1.0/24').waitFor();
  await page.getByRole('button', { name: 'Create network' }).click();
  await page.getByRole('dialog').getByLabel('Name').fill('inner');
  await page.getByRole('dialog').getByLabel('Range').fill('nonsense');
  await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
  await page.getByRole('dialog').getByText(/must be an IPv4/).first().waitFor();
  await page.getByRole('dialog').getByLabel('Range').fill('10.7.0.0/24');
  await page.getByRole('dialog').getByRole('button', { name: 'Create' }).click();
  await row(page, 'inner').getByText('10.7.0.0/24').waitFor();
  await row(page, 'inner').getByRole('button', { name: 'Attach inner' }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Attach' }).click();
  await row(page, 'inner').getByText('10.0.1.2').waitFor();
  await axe(page, 'the networks');
  await shot(page, 'networks');
  await page.setViewportSize({ width: 360, height: 740 });
  await noSideways(page, 'networks at 360');
  clean(page);
  await page.close();
});

test('the create dialog names volumes and a network', { skip: real }, async () => {
  const page = await open('/instances');
  await page.getByRole('button', { name: /Create instance|New instance|Create/ }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Name', { exact: true }).fill('with-data');
  await dialog.getByText(/Command, environment/).click();
  await dialog.getByRole('button', { name: 'Add volume' }).click();
  await dialog.getByLabel('Volume', { exact: true }).fill('data');
  await dialog.getByLabel('Path in the container').fill('/data');
  await dialog.getByLabel('Further network').selectOption({ index: 1 });
  await axe(page, 'the create dialog');
  await shot(page, 'create');
  const asked = page.waitForRequest((r) => r.method() === 'POST' && r.url().endsWith('/compute/instances'));
  await dialog.getByRole('button', { name: /^Create/ }).last().click();
  const { config } = (await asked).postDataJSON();
  assert.deepEqual(config.volumes, ['data:/data']);
  assert.equal(config.networks.length, 1);
  clean(page);
  await page.close();
});
