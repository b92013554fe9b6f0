// Sign-in: errors, too many tries, and back to where one wanted to be; the session that ends.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browser, clean, mock, oneMock, openPage, real, signIn, visit } from './harness.mjs';

oneMock({ instances: 3 });

test('a wrong password is said, then too many tries', { skip: real }, async () => {
  const page = await openPage(browser.context);
  await visit(page, mock.url);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('Enter your user name and password.').waitFor();
  await page.getByLabel('User name').fill('admin');
  for (let i = 0; i < 5; i++) {
    await page.getByLabel('Password').fill('wrong-one');
    const answer = page.waitForResponse(/session$/);
    await page.keyboard.press('Enter');
    await answer;
    await page.getByText('The user name or the password is wrong.').waitFor();
  }
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /Too many attempts\. Try again in \d+ s\./.test(document.querySelector('.form-error').textContent)
    && document.querySelector('button[type=submit]').disabled);
  await page.waitForFunction(() => !document.querySelector('button[type=submit]').disabled);
  mock.state.failures = 0;
  clean(page);
  await page.close();
});

test('back to the view that was asked for, filter and all', { skip: real }, async () => {
  const page = await openPage(browser.context);
  await signIn(page, mock.url, '#/instances?state=running&q=app');
  await page.getByRole('heading', { name: 'Instances', exact: true }).waitFor();
  assert.match(page.url(), /#\/instances\?state=running&q=app$/);
  assert.equal(await page.getByRole('searchbox').inputValue(), 'app');

  // the session ends elsewhere: the next request leads to the sign-in, and from there back
  mock.state.sessions.clear();
  await visit(page, `${mock.url}/#/images`);
  await page.getByRole('heading', { name: 'Sign in to Lodge' }).waitFor();
  assert.match(page.url(), /signin\?next=%2Fimages/);
  await page.getByLabel('User name').fill('admin');
  await page.getByLabel('Password').fill('correct-horse');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'Images' }).waitFor();
  assert.match(page.url(), /#\/images$/);

  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByRole('heading', { name: 'Sign in to Lodge' }).waitFor();
  clean(page);
  await page.close();
});
