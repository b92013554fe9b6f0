// The palette and the keys: instances, views and verbs found by typing; Esc closes and gives the focus back.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { mock, oneMock, page, pagePerTest, real, signIn, visit } from './harness.mjs';

oneMock({ instances: 12 });
pagePerTest(async () => {
  await signIn(page, mock.url);
  await page.getByRole('heading', { name: 'Instances', exact: true }).waitFor();
});

const field = () => page.getByRole('combobox', { name: 'Find an instance, a view or an action' });
const options = () => page.getByRole('option').locator('.palette-text').allTextContents();
const chosen = () => page.evaluate(() => document.getElementById(document.querySelector('.palette input').getAttribute('aria-activedescendant'))?.querySelector('.palette-text').textContent);

test('an instance by its name, a view by a part of its word, with the keyboard alone', { skip: real }, async () => {
  await page.keyboard.press('Control+k');
  await field().waitFor();
  await page.keyboard.type('app-003');
  assert.equal((await options())[0], 'app-003');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'app-003', level: 1 }).waitFor();
  await page.keyboard.press('Meta+k');
  await field().waitFor();
  await page.keyboard.type('quo');
  assert.equal(await chosen(), 'Quota');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Quota of Main' }).waitFor();
});

test('only verbs that are legal now are offered, and they act', { skip: real }, async () => {
  const stopped = [...mock.state.instances.values()].find((i) => i.state === 'stopped');
  await visit(page, `${mock.url}/#/instances/${stopped.id}`);
  await page.getByRole('heading', { name: stopped.name, level: 1 }).waitFor();
  await page.keyboard.press('Control+k');
  await field().waitFor();
  const before = await options();
  assert.equal(before[0], `Start ${stopped.name}`, 'the page that is open comes first');
  assert.ok(!before.includes(`Stop ${stopped.name}`));
  await page.keyboard.press('ArrowDown');
  assert.equal(await chosen(), `Delete ${stopped.name}`);
  await page.keyboard.press('ArrowUp');
  await page.keyboard.press('Enter');
  await page.locator('.toast', { hasText: `${stopped.name} started` }).waitFor();
  await page.keyboard.press('Control+k');
  await page.keyboard.type(`stop ${stopped.name}`);
  assert.deepEqual(await options(), [`Stop ${stopped.name}`]);
  await page.keyboard.type(' nonsense');
  await page.getByText('Nothing fits.').first().waitFor();
  await page.keyboard.press('Escape');
});

test('Esc closes and the focus is where it was; a dialog keeps its keys', { skip: real }, async () => {
  await page.getByRole('button', { name: 'Create instance' }).focus();
  await page.keyboard.press('Control+k');
  await field().waitFor();
  await page.keyboard.press('Escape');
  await field().waitFor({ state: 'detached' });
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Create instance');
  await page.keyboard.press('Enter');
  await page.getByRole('dialog', { name: 'Create an instance' }).waitFor();
  await page.keyboard.press('Control+k');
  assert.equal(await field().count(), 0);
  await page.keyboard.press('Escape');
});

test('a slash searches: the list has a field of its own, elsewhere the palette opens', { skip: real }, async () => {
  await page.keyboard.press('/');
  assert.equal(await page.evaluate(() => document.activeElement.type), 'search');
  await visit(page, `${mock.url}/#/images`);
  await page.getByRole('heading', { name: 'Images', level: 1 }).waitFor();
  await page.keyboard.press('/');
  await field().waitFor();
  await page.keyboard.press('Escape');
});

test('the description of the API is searched, and the search is in the address', { skip: real }, async () => {
  await visit(page, `${mock.url}/#/api?q=post%20instances`);
  await page.getByText(/^\d+ of \d+ routes$/).waitFor();
  const shown = page.locator('.api-op:visible');
  assert.ok((await shown.allTextContents()).every((t) => /^post .*instances/i.test(t)));
  await page.getByRole('searchbox').fill('no such route');
  await page.getByRole('heading', { name: 'No such route' }).waitFor();
  await page.getByRole('button', { name: 'Clear the filter' }).click();
  await page.getByText(/^\d+ routes$/).waitFor();
  assert.match(page.url(), /#\/api$/);
});
