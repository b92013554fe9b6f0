// A network that blinks: on the host itself every container that starts makes the browser drop what it is loading.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { again, browser, mock, mockPerTest, page, real, signIn } from './harness.mjs';

mockPerTest({ instances: 3, row: /app-001/ });

const drop = (what, times) => page.route(what, (route) => route.abort('internetdisconnected'), { times });
/** The request arrives, its answer does not. */
const dropAnswer = (what, method) => page.route(what, async (route) => {
  if (route.request().method() !== method) return route.fallback();
  await route.fetch();
  return route.abort('internetdisconnected');
}, { times: 1 });

test('a module that did not arrive is loaded again', { skip: real }, async () => {
  await drop('**/views/images.js', 1);
  await page.getByRole('link', { name: 'Images' }).click();
  await page.getByRole('row', { name: /lodge-base default/ }).waitFor();
  await drop('**/live.js', 2);
  await again(page);
  await page.getByRole('row', { name: /lodge-base default/ }).waitFor();
});

test('reading is tried again', { skip: real }, async () => {
  await drop('**/compute/instances?*', 2);
  await again(page);
  await page.getByRole('row', { name: /app-001/ }).waitFor();
});

test('what comes while the network blinks for long is shown when it is back', { skip: real }, async () => {
  await drop('**/compute/instances/*', 4);
  const late = mock.state.addInstance({ name: 'late' }, 'ada', 'running');
  mock.state.emit('instance.created', { type: 'instance', id: late.id, name: late.name }, {});
  await page.getByRole('row', { name: /late/ }).waitFor();
});

test('a create whose answer got lost is found by its name', { skip: real }, async () => {
  await dropAnswer('**/compute/instances', 'POST');
  await page.getByRole('button', { name: 'Create instance' }).click();
  await page.getByRole('dialog').getByRole('textbox', { name: 'Name' }).fill('once');
  await page.getByRole('dialog').getByRole('button', { name: 'Create', exact: true }).click();
  await page.getByRole('heading', { name: 'once', level: 1 }).waitFor();
  assert.equal([...mock.state.instances.values()].filter((i) => i.name === 'once').length, 1);
});

test('a verb whose answer got lost is followed, one that never arrived is sent again', { skip: real }, async () => {
  await dropAnswer('**/stop', 'PUT');
  await page.getByRole('button', { name: 'Stop app-001' }).click();
  await page.locator('.toast', { hasText: 'app-001 stopped' }).waitFor();
  await drop('**/stop', 1);
  await page.getByRole('button', { name: 'Stop app-002' }).click();
  await page.locator('.toast', { hasText: 'app-002 stopped' }).waitFor();
  assert.equal([...mock.state.operations.values()].filter((o) => o.kind === 'instance.stop').length, 2);
});

test('signing in is tried again', { skip: real }, async () => {
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in to Lodge' }).waitFor();
  await dropAnswer('**/session', 'POST');
  await signIn(page, mock.url);
});
