// What the event stream must give: nothing missed over a lost connection, a fresh start when the past is gone, 500 rows.

import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { again, clean, openBrowser, openPage, real, signIn, visit } from './harness.mjs';
import { startMock } from './mock.mjs';
import { State } from './mock-state.mjs';

let browser;
let mock;
let page;
before(async () => { if (!real) browser = await openBrowser(); });
after(() => browser?.close());
beforeEach(async () => {
  if (real) return;
  const state = new State({ speed: 60 });
  state.seed(6);
  mock = await startMock({ state });
  page = await openPage(browser.context);
  await signIn(page, mock.url);
  await page.getByRole('row', { name: /app-001/ }).waitFor();
});
afterEach(async () => {
  if (real) return;
  clean(page);
  await browser.context.clearCookies();
  await page.close();
  await mock.close();
});

const row = (name) => page.getByRole('row', { name: new RegExp(name) });
const rowState = (name, state) => row(name).locator('.state', { hasText: new RegExp(`^${state}$`) }).waitFor();
const inst = (name) => mock.state.byName(name);

async function restart(change) {
  const { port, state } = mock;
  await mock.close();
  await page.getByText('The connection to Lodge is lost.').waitFor();
  change(state);
  mock = await startMock({ port, state });
  await page.getByText('The connection to Lodge is lost.').waitFor({ state: 'hidden' });
}

test('what happens while the server is away is there when it is back', { skip: real }, async () => {
  await restart((s) => {
    s.setState(inst('app-001'), 'stopped', { text: 'Stopped by ada.' });
    s.vanish(inst('app-002'));
    const fresh = s.addInstance({ name: 'newcomer' }, 'ada', 'running');
    s.emit('instance.created', { type: 'instance', id: fresh.id, name: fresh.name }, {});
  });
  await rowState('app-001', 'stopped');
  await row('app-002').waitFor({ state: 'detached' });
  await rowState('newcomer', 'running');
  // and it is live again
  mock.state.setState(inst('newcomer'), 'stopped');
  await rowState('newcomer', 'stopped');
});

test('an instance deleted while the stream was away is said to be deleted on its own page, as if it had been there', { skip: real }, async () => {
  const { id } = inst('app-002');
  await visit(page, `${mock.url}/#/instances/${id}`);
  await page.getByRole('heading', { name: 'app-002', level: 1 }).waitFor();
  await page.getByRole('heading', { name: 'Image and size' }).waitFor(); // all of the view has arrived
  await restart((s) => {
    s.vanish(inst('app-002')); // an event that is missed, so that the page learns that it missed something
    s.prune();
  });
  await page.getByText('app-002 was deleted.').waitFor();
  page.problems.length = 0; // the page asks for it once more: 404
});

test('a view that is asked for while the server is away comes when it is back', { skip: real }, async () => {
  const { port, state } = mock;
  await mock.close();
  await page.getByRole('link', { name: 'Images' }).click();
  await page.getByText('The connection to Lodge is lost.').waitFor();
  await page.getByText('Loading…').waitFor();
  mock = await startMock({ port, state });
  await page.getByRole('row', { name: /lodge-base default/ }).waitFor();
});

test('when the missed events were pruned, everything is read again', { skip: real }, async () => {
  await restart((s) => {
    for (const i of [...s.instances.values()]) s.setState(i, 'paused');
    s.vanish(inst('app-003'));
    s.prune();
  });
  await rowState('app-001', 'paused');
  await row('app-003').waitFor({ state: 'detached' });
  mock.state.setState(inst('app-001'), 'running');
  await rowState('app-001', 'running');
});

test('when that cannot be read either, it is read once more', { skip: real }, async () => {
  await page.route('**/compute/instances?*', (route) => route.abort('internetdisconnected'), { times: 4 });
  await restart((s) => {
    s.setState(inst('app-001'), 'paused');
    s.vanish(inst('app-003'));
    s.prune();
  });
  await rowState('app-001', 'paused');
  await row('app-003').waitFor({ state: 'detached' });
});

test('a change by somebody else is shown and spoken', { skip: real }, async () => {
  mock.state.setState(inst('app-001'), 'stopped');
  await rowState('app-001', 'stopped');
  await page.locator('[aria-live=polite]', { hasText: 'app-001 is stopped' }).waitFor({ state: 'attached' });
});

test('filter, state and sort live in the address', { skip: real }, async () => {
  await page.getByRole('searchbox').fill('app-00');
  await page.getByRole('combobox', { name: 'State' }).selectOption('stopped');
  await page.getByRole('button', { name: 'Age', exact: true }).click();
  assert.match(page.url(), /\?q=app-00&state=stopped&sort=age$/);
  assert.equal(await page.locator('tbody tr').count(), 1);
  await again(page);
  await row('app-003').waitFor();
  assert.equal(await page.locator('tbody tr').count(), 1);
  assert.equal(await page.locator('th[aria-sort=ascending]').innerText(), 'Age');
  await page.getByRole('searchbox').fill('nothing such');
  await page.getByText('None matches').waitFor();
  await page.getByRole('button', { name: 'Clear the filter' }).click();
  assert.equal(await page.locator('tbody tr').count(), 6);
});

test('500 rows: shown at once, filtered and changed without delay', { skip: real }, async () => {
  mock.state.instances.clear();
  mock.state.seed(506);
  await again(page);
  const count = (n) => page.waitForFunction((want) => document.querySelectorAll('tbody tr').length === want, n);
  await page.getByRole('row', { name: /app-020/ }).waitFor();
  await page.getByRole('checkbox', { name: 'Select all that are listed' }).check();
  await page.getByText('500 selected').waitFor(); // those too that are not built yet
  await count(500);
  assert.equal(await page.locator('tbody input:checked').count(), 500);
  await page.getByRole('button', { name: 'Clear', exact: true }).click();
  await page.getByRole('button', { name: 'Show more' }).click();
  await count(506);
  await page.getByRole('searchbox').fill('app-41');
  await count(10);
  await page.getByRole('searchbox').fill('');
  await count(500);
});

test('a bulk action reports each instance; what cannot be done is skipped with the reason', { skip: real }, async () => {
  await page.getByRole('checkbox', { name: 'Select all that are listed' }).check();
  await page.getByText('6 selected').waitFor();
  await page.getByRole('group', { name: 'The selected instances' }).getByRole('button', { name: 'Stop' }).click();
  const results = page.getByRole('region', { name: 'Results' });
  await results.getByRole('heading', { name: '5 stopped, 1 skipped' }).waitFor();
  await results.getByText('The instance is stopped; only a running one can be stopped.').waitFor();
  for (const i of mock.state.instances.values()) assert.equal(i.state, 'stopped');
  assert.equal(await results.locator('li').count(), 6);
});

test('deleting many that run asks for the word', { skip: real }, async () => {
  await page.getByRole('checkbox', { name: 'Select all that are listed' }).check();
  await page.getByRole('group', { name: 'The selected instances' }).getByRole('button', { name: 'Delete' }).click();
  const dialog = page.getByRole('dialog');
  assert.equal(await dialog.getByRole('button', { name: 'Delete all' }).isDisabled(), true);
  await dialog.getByRole('textbox').fill('delete');
  await dialog.getByRole('button', { name: 'Delete all' }).click();
  await page.getByText('No instances yet').waitFor();
  await page.getByRole('heading', { name: '6 deleted' }).waitFor();
});

test('the log goes on after the connection was lost, without lines twice', { skip: real }, async () => {
  await row('app-001').getByRole('link').click();
  await page.getByRole('tab', { name: 'Log' }).click();
  await page.getByText(/request 3$/).waitFor();
  await restart(() => {});
  await page.getByText('Live', { exact: true }).waitFor();
  await page.getByText(/request 12$/).waitFor();
  assert.equal(await page.getByText(/request 3$/).count(), 1);

  await page.getByRole('button', { name: 'Pause', exact: true }).last().click();
  await page.getByText(/Paused, \d+ new lines/).waitFor();
  await page.getByRole('button', { name: 'Continue' }).click();
  await page.getByRole('searchbox').fill('request 1');
  await page.getByText(/\d+ of \d+ found/).waitFor();
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await page.getByText('The log ended here').waitFor();
});

test('an event that overtakes a list on its way wins', { skip: real }, async () => {
  await page.route('**/compute/instances?*', async (route) => {
    const old = await route.fetch();
    mock.state.vanish(inst('app-002'));
    mock.state.setState(inst('app-001'), 'paused');
    const fresh = mock.state.addInstance({ name: 'newcomer' }, 'ada', 'running');
    mock.state.emit('instance.created', { type: 'instance', id: fresh.id, name: fresh.name }, {});
    await new Promise((r) => setTimeout(r, 500));
    await route.fulfill({ response: old });
  }, { times: 1 });
  await again(page);
  await rowState('app-001', 'paused');
  await rowState('newcomer', 'running');
  assert.equal(await row('app-002').count(), 0);
});

test('a list that cannot be read says so, and can be tried again', { skip: real }, async () => {
  const error = { error: { code: 'STORAGE_UNAVAILABLE', message: 'the disk is full', details: {} } };
  await page.route('**/compute/instances?*', (route) => route.fulfill({ status: 503, json: error }));
  await again(page);
  await page.getByText('the disk is full').waitFor();
  await page.unroute('**/compute/instances?*');
  await page.getByRole('button', { name: 'Try again' }).click();
  await row('app-001').waitFor();
});

test('who belongs to no tenant is told what to do', { skip: real }, async () => {
  await page.route('**/api/v1/session', async (route) => {
    const res = await route.fetch();
    await route.fulfill({ response: res, json: { ...(await res.json()), tenant: null, tenants: [] } });
  });
  await page.route('**/compute/instances?*', (route) => route.fulfill({ status: 403, json: { error: { code: 'FORBIDDEN', message: 'choose a tenant', details: {} } } }));
  await again(page);
  await page.getByText('You belong to no tenant yet').waitFor();
});

test('beyond what is loaded the server looks', { skip: real }, async () => {
  mock.state.instances.clear();
  mock.state.seed(5020);
  await again(page);
  await page.getByText('5000 of 5020').waitFor();
  await page.getByRole('searchbox').fill('app-5017');
  await row('app-5017').waitFor();
});

test('events of an instance: the past that is kept, and what happens now', { skip: real }, async () => {
  mock.state.prune();
  mock.state.setState(inst('app-001'), 'paused');
  await row('app-001').getByRole('link').click();
  await page.getByRole('tab', { name: 'Events' }).click();
  const events = page.getByRole('list', { name: 'Events, newest first' });
  await events.getByText('running → paused').waitFor();
  mock.state.setState(inst('app-001'), 'running');
  await events.getByText('paused → running').waitFor();
});
