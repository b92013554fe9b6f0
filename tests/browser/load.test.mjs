// A first load that fails says so in its place, with "Try again", and comes by itself when the connection returns; what ticks is not spoken.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { again, axe, mock, mockPerTest, noSideways, page, real, visit } from './harness.mjs';
import { oneshotEvent } from './mock-run.mjs';

mockPerTest({ instances: 2, row: /app-001/, prepare: () => oneshotEvent(mock.state, 'running', 'before', { image: 'localhost/earlier:1' }) });

const inst = () => mock.state.byName('app-001');
const row = (name) => page.getByRole('row', { name });
// [view, what it asks for, what is said of it, what shows when it is there]
const VIEWS = [
  ['/volumes', '**/api/v1/volumes?*', 'The volumes', () => row(/archive/)],
  ['/networks', '**/api/v1/networks?*', 'The networks', () => row(/backend/)],
  ['/images', '**/api/v1/images?*', 'The images', () => row(/lodge-base default/)],
  ['/services', '**/api/v1/services', 'The services', () => row(/lodge-api/)],
  ['/ingress', '**/api/v1/ingress?*', 'The web addresses', () => page.getByText('Nothing is published')],
  ['/run', '**/api/repl/languages', 'The languages', () => page.locator('button:not([aria-disabled])', { hasText: /^Run$/ })],
  ['/run', '**/api/containers/list', 'The containers', () => row(/earlier/)],
  ['/run', '**/api/repl/sessions', 'The sessions', () => page.getByText('None is open.')],
  ['/run', '**/api/repl/runs?*', 'Earlier runs', () => page.getByText('Nothing has run yet.')],
  ['/api', '**/api/openapi.json', 'The description', () => page.getByText('Creates an instance')],
  ['/settings/tokens', '**/api/v1/tokens?*', 'The tokens', () => page.getByText('No tokens yet')],
  ['/settings/audit', '**/api/v1/audit?*', 'The audit log', () => page.getByText('Nothing is recorded yet')],
  ['/settings/users', '**/api/v1/users?*', 'Users', () => row(/ada/)],
  ['/settings/tenants', '**/api/v1/tenants?*', 'Tenants', () => row(/lab/)],
];
const ofTenant = () => [`/settings/tenants/${mock.state.tenants[1].id}`, '**/api/v1/tenants?*', 'The tenant', () => page.getByRole('heading', { name: 'Quota of Laboratory' })];
const ofInstance = () => {
  const one = `/instances/${inst().id}`;
  return [
    [`${one}/events`, '**/api/v1/events?since=*', 'What happened before', () => page.getByText('Nothing has happened lately')],
    [one, '**/api/v1/operations?instance=*', 'The operations', () => page.getByText('Nothing lately.')],
  ];
};
const failed = (what) => page.getByRole('alert').filter({ hasText: `${what} could not be read.` });
const refuse = (what) => page.route(what, (route) => route.fulfill({ status: 503, json: { error: { code: 'STORAGE_UNAVAILABLE', message: 'the disk is full', details: {} } } }));

async function triedAgain([hash, path, what, there]) {
  await refuse(path);
  await visit(page, `${mock.url}/#${hash}`);
  await failed(what).getByText('the disk is full').waitFor();
  assert.equal(await page.locator('.reading').getByText('Loading…').count(), 0, `${what}: it no longer loads`);
  assert.equal(await there().isVisible(), false, `${what}: nothing is claimed`);
  assert.equal(await page.locator('.toast').count(), 0, `${what}: said once`);
  const again = failed(what).getByRole('button', { name: 'Try again' });
  await again.focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement.innerText === 'Try again'); // it failed once more and the focus is kept
  await page.unroute(path);
  await page.keyboard.press('Enter');
  await there().waitFor();
  await failed(what).waitFor({ state: 'detached' });
  assert.equal(await page.evaluate(() => document.activeElement !== document.body), true, `${what}: the focus is somewhere`);
}

/** The connection returns: nobody has to ask. */
async function comesBack([hash, path, what, there]) {
  await page.route(path, (route) => route.abort('internetdisconnected'));
  await visit(page, `${mock.url}/#${hash}`);
  await again(page);
  await failed(what).waitFor();
  await page.unroute(path);
  mock.cut();
  await there().waitFor();
  await failed(what).waitFor({ state: 'detached' });
}

for (const view of VIEWS)
  test(`${view[2]} (${view[0]}): told, tried again, back with the connection`, { skip: real }, async () => {
    await triedAgain(view);
    await comesBack(view);
  });

test('a tenant, and the past of an instance: told, tried again, back with the connection', { skip: real }, async () => {
  for (const view of [ofTenant(), ...ofInstance()]) {
    await triedAgain(view);
    await comesBack(view);
  }
});

test('an instance that cannot be read is not said to be gone', { skip: real }, async () => {
  const { id } = inst();
  const paths = ['**/compute/instances?*', `**/compute/instances/${id}`];
  for (const path of paths) await refuse(path);
  await visit(page, `${mock.url}/#/instances/${id}`);
  await again(page);
  await failed('The instance').getByText('the disk is full').waitFor();
  assert.equal(await page.getByText('Gone').count(), 0);
  await axe(page, 'an instance that could not be read');
  for (const path of paths) await page.unroute(path);
  await failed('The instance').getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('heading', { name: 'app-001', level: 1 }).waitFor();
});

test('what could not be read looks right, on a phone too', { skip: real }, async () => {
  await refuse('**/api/v1/volumes?*');
  await visit(page, `${mock.url}/#/volumes`);
  await failed('The volumes').waitFor();
  await axe(page, 'volumes that could not be read');
  await page.setViewportSize({ width: 360, height: 740 });
  await noSideways(page, 'volumes that could not be read');
});

/** What a screen reader is told: every text that a live region gets. */
async function listen() {
  await page.evaluate(() => {
    const LIVE = '[role=status], [role=alert], [aria-live=polite], [aria-live=assertive]';
    window.told = [];
    new MutationObserver((list) => {
      for (const { target } of list) {
        const el = target.nodeType === Node.TEXT_NODE ? target.parentElement : target;
        const quiet = el?.closest('[aria-live=off]');
        const live = el?.closest(LIVE);
        if (live && !(quiet && live.contains(quiet)) && live.textContent.trim()) window.told.push(live.textContent.trim());
      }
    }).observe(document.body, { subtree: true, childList: true, characterData: true });
  });
  return () => page.evaluate(() => window.told);
}

async function runs(code) {
  await page.locator('.cm-content').click();
  await page.keyboard.press('Control+A');
  await page.keyboard.press('Delete');
  await page.keyboard.insertText(code);
  await page.getByRole('button', { name: 'Run', exact: true }).click();
}

test('the clock of a run is not spoken; its end is, once', { skip: real }, async () => {
  await visit(page, `${mock.url}/#/run`);
  await page.locator('.cm-content').waitFor();
  const told = await listen();
  await runs('out begun\nhold\nexit 3');
  await page.locator('.run-status').getByText(/Running · 1\.\d s/).waitFor();
  mock.state.letGo();
  const end = /^Exit code 3 · 12 ms/;
  await page.locator('.run-status').getByText(end).waitFor();
  await page.locator('[aria-live=polite]').getByText(end).waitFor({ state: 'attached' });
  assert.deepEqual((await told()).filter((text) => /Running/.test(text)), []);
  assert.equal((await told()).filter((text) => end.test(text)).length, 1);
  mock.state.refuseRuns = true;
  await runs('out never');
  await page.getByRole('alert').getByText('too many runs of this tenant').waitFor();
  await page.waitForTimeout(600); // longer than what is announced is held back
  assert.equal(new Set((await told()).filter((text) => /too many runs/.test(text))).size, 1);
});

test('a language that is being built is spoken of when that changes', { skip: real }, async () => {
  await visit(page, `${mock.url}/#/run`);
  await page.getByLabel('Language').selectOption('sql');
  await page.getByRole('button', { name: 'Build SQL (SQLite)' }).waitFor();
  const told = await listen();
  await page.getByRole('button', { name: 'Build SQL (SQLite)' }).click();
  await page.locator('[aria-live=polite]').getByText('SQL (SQLite) is built').waitFor({ state: 'attached' });
  assert.deepEqual(await told(), ['SQL (SQLite) is being built', 'SQL (SQLite) is built']);
});

test('lines that come while the log is paused are counted in silence', { skip: real }, async () => {
  await visit(page, `${mock.url}/#/instances/${inst().id}/log`);
  await page.getByText(/request 3$/).waitFor();
  await page.getByRole('button', { name: 'Pause', exact: true }).last().click();
  const told = await listen();
  await page.getByText(/^Paused, \d+ new lines$/).waitFor();
  await page.getByText(/^Paused, [2-9] new lines$/).waitFor();
  assert.deepEqual(await told(), []);
});

test('percents of what is at work are not spoken', { skip: real }, async () => {
  const told = await listen();
  const op = mock.state.operation('image.pull', { image: [...mock.state.images.keys()][0] }, 'admin');
  await page.evaluate(async (id) => (await import('/parts/toast.js')).followOperation(id, 'Pulling lodge-base'), op.id);
  for (const progress of [0.1, 0.2, 0.3]) {
    Object.assign(op, { status: 'running', step: 'Layer 1 of 2', progress });
    mock.state.tell(op, 'operation.progress');
    await page.locator('.toast').getByText(`Layer 1 of 2 ${progress * 100} %`).waitFor();
  }
  assert.deepEqual((await told()).filter((text) => /%/.test(text) && !/^Pulling lodge-base$/.test(text)), []);
});
