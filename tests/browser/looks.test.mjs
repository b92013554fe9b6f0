// Every view, in both themes and at two widths: no violation that axe knows, nothing scrolls sideways, no console error.

import { after, before, test } from 'node:test';
import { axe, clean, noSideways, openBrowser, openPage, real, signIn, target, visit } from './harness.mjs';
import { views } from './looks.views.mjs';

let browser;
let mock;
let empty;
before(async () => {
  if (real) return;
  browser = await openBrowser();
  mock = await target({ instances: 14 });
  empty = await target();
});
after(async () => {
  await browser?.close();
  await mock?.close();
  await empty?.close();
});

/** What is wrong for a moment, while a view is laid out or a colour fades, is looked at again until it rests. */
async function rests(page, check, where) {
  for (let i = 0; ; i++) {
    try {
      return await check(page, where);
    } catch (e) {
      if (i === 5) throw e;
      await page.waitForTimeout(1000);
    }
  }
}

async function look(page, url, list, where) {
  for (const [name, hash, act] of list) {
    await visit(page, `${url}/#${hash}`);
    await page.locator('#main h1').first().waitFor({ state: 'attached' });
    await page.waitForTimeout(150);
    try {
      await act?.(page);
    } catch (e) {
      throw new Error(`${name}, ${where}: ${e.message}`, { cause: e });
    }
    await rests(page, axe, `${name}, ${where}`);
    await rests(page, noSideways, `${name}, ${where}`);
    await page.keyboard.press('Escape');
  }
}

for (const theme of ['light', 'dark'])
  for (const width of [1280, 360])
    test(`${theme}, ${width} pixels`, { skip: real }, async () => {
      await browser.context.clearCookies();
      const page = await openPage(browser.context);
      await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
      await page.setViewportSize({ width, height: 740 });
      await visit(page, mock.url);
      await page.getByRole('heading', { name: 'Sign in to Lodge' }).waitFor();
      await axe(page, `sign-in, ${theme}`);
      await noSideways(page, 'sign-in');
      await signIn(page, mock.url);
      await look(page, mock.url, views(mock.state), `${theme} ${width}`);
      await browser.context.clearCookies();
      await signIn(page, empty.url);
      await look(page, empty.url, [['no instances', '/instances'], ['no ingress', '/ingress'], ['no audit', '/settings/audit']], `${theme} ${width}`);
      await browser.context.clearCookies();
      clean(page);
      await page.close();
    });
