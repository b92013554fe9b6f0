// The way of a person: sign in, create, watch, open the page, follow the log, stop, delete; and never a reload.
// Runs against the mock server, or with BASE_URL, LODGE_USER, LODGE_PASSWORD against a whole Lodge.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { clean, openBrowser, openPage, real, signIn, target, visit } from './harness.mjs';

let browser;
let system;
const name = `flow-${Date.now().toString(36)}`;

before(async () => {
  browser = await openBrowser();
  system = await target();
});
after(async () => {
  await browser.close();
  await system.close();
});

const stateIs = (page, state) => page.locator('.detail-head .state', { hasText: new RegExp(`^${state}$`) }).waitFor({ timeout: real ? 60000 : 30000 });

async function create(page) {
  await page.getByRole('button', { name: 'Create instance' }).click();
  const dialog = page.getByRole('dialog', { name: 'Create an instance' });
  await dialog.getByRole('textbox', { name: 'Name' }).fill(name);
  await assert.doesNotReject(dialog.getByText(`lodge instance create ${name}`).waitFor());
  await dialog.getByRole('button', { name: 'Create', exact: true }).click();
  await page.getByRole('heading', { name, level: 1 }).waitFor();
}

async function openApplication(page, context) {
  const link = page.locator('.detail-title a.ext');
  const url = await link.getAttribute('href');
  assert.match(url, new RegExp(`//${name}\\.apps\\.`));
  const [tab] = await Promise.all([context.waitForEvent('page'), link.click()]);
  await tab.waitForLoadState();
  let status = 0;
  for (let i = 0; i < 40 && status !== 200; i++) {
    status = (await visit(tab, url).catch(() => null))?.status() ?? 0;
    if (status !== 200) await page.waitForTimeout(250);
  }
  assert.equal(status, 200, 'the published page answers');
  assert.match(await tab.locator('body').innerText(), /\S/);
  await tab.close();
}

async function followLog(page) {
  await page.getByRole('tab', { name: 'Log' }).click();
  const log = page.getByRole('log');
  await log.locator('.line').first().waitFor();
  await page.getByText('Live', { exact: true }).waitFor();
}

test('sign in, create, watch, open, follow the log, stop, delete', async () => {
  const page = await openPage(browser.context);
  await signIn(page, system.url);
  const loads = [];
  page.on('framenavigated', (f) => f === page.mainFrame() && !f.url().includes('#') && loads.push(f.url()));

  await create(page);
  await stateIs(page, 'running');
  await openApplication(page, browser.context);
  await followLog(page);

  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await stateIs(page, 'stopped');
  await page.locator('.toast', { hasText: `${name} stopped` }).waitFor();

  await page.getByRole('link', { name: 'Instances', exact: true }).first().click();
  const row = page.getByRole('row', { name: new RegExp(name) });
  await row.locator('.state', { hasText: 'stopped' }).waitFor();
  await row.getByRole('button', { name: `Delete ${name}` }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click();
  await row.waitFor({ state: 'detached', timeout: real ? 60000 : 30000 });

  await page.getByRole('button', { name: /^Operations/ }).click();
  await page.locator('.op', { hasText: `${name} deleted` }).waitFor();
  assert.deepEqual(loads, [], 'the page was never loaded again');
  clean(page);
});

async function dismissFailure(page, broken) {
  await page.getByRole('alert').getByRole('button', { name: 'Show operation' }).click();
  const op = page.locator('.op', { hasText: `Creating ${broken} failed` });
  await op.getByRole('button', { name: 'Dismiss' }).click();
  await op.waitFor({ state: 'detached' });
}

test('a start that fails says how it ended and with which last lines; the failure stays until dismissed', async () => {
  const page = await openPage(browser.context);
  await visit(page, `${system.url}/#/instances`);
  const broken = `${name}-broken`;
  await page.getByRole('button', { name: 'Create instance' }).click();
  const dialog = page.getByRole('dialog', { name: 'Create an instance' });
  await dialog.getByRole('textbox', { name: 'Name' }).fill(broken);
  await dialog.getByText(/^Command, environment/).click();
  await dialog.getByRole('textbox', { name: 'Command' }).fill('sh -c "echo starting; echo no database at db:5432; exit 3"');
  await dialog.getByRole('button', { name: 'Create', exact: true }).click();
  // a real program may live long enough for the create to have been a success
  await page.getByText(real ? /^(It did not stay up|How it ended)$/ : 'It did not stay up').waitFor();
  await page.getByText('Exit code 3', { exact: true }).waitFor();
  await page.getByLabel('Last lines of the log').getByText('no database at db:5432').waitFor();
  if (!real) await dismissFailure(page, broken);
  await page.getByRole('button', { name: 'Delete', exact: true }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'Delete', exact: true }).click();
  await page.getByText(`${broken} was deleted.`).waitFor();
  clean(page);
});

test('every request of the first view is small', { skip: real }, async () => {
  const page = await openPage(browser.context);
  let bytes = 0;
  page.on('response', async (r) => {
    if (/\.js$/.test(new URL(r.url()).pathname)) bytes += (await r.body().catch(() => '')).length;
  });
  await visit(page, `${system.url}/#/instances`);
  await page.getByRole('heading', { name: 'Instances', exact: true }).waitFor();
  await page.waitForLoadState('networkidle').catch(() => {});
  assert.ok(bytes > 10000 && bytes < 100 * 1024, `${bytes} bytes of script`);
});
