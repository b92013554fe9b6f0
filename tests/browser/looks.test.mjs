// Every view, in both themes and at two widths: no violation that axe knows, nothing scrolls sideways, no console error.

import { after, before, test } from 'node:test';
import { axe, clean, noSideways, openBrowser, openPage, real, signIn, target, visit } from './harness.mjs';

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

const press = (name) => (page) => page.getByRole('button', { name, exact: true }).first().click();

function views(state) {
  const all = [...state.instances.values()];
  const up = all.find((i) => i.state === 'running');
  const bad = all.find((i) => i.state === 'error');
  up.ingress = [{ port: 443, targetPort: 8080, host: up.name, url: `https://${up.name}.apps.localhost:8443/`, access: 'members', createdAt: up.createdAt }];
  up.config.env = ['A_RATHER_LONG_NAME_OF_A_VARIABLE=and-a-value-without-any-place-to-break-it', 'TOKEN=********'];
  up.labels = { team: 'blue' };
  const one = `/instances/${up.id}`;
  return [
    ['list', '/instances'],
    ['selection', '/instances?sort=-memory', async (p) => {
      await p.locator('tbody input[type=checkbox]').nth(0).check();
      await p.locator('tbody input[type=checkbox]').nth(1).check();
    }],
    ['create', '/instances', async (p) => {
      await press('Create instance')(p);
      await p.locator('details.more summary').click();
      await press('Add variable')(p);
      await press('Add port')(p);
      await press('Add label')(p);
    }],
    ['detail', one],
    ['failed', `/instances/${bad.id}`],
    ['log', `${one}/log`, (p) => p.locator('.line.err').first().waitFor()],
    ['its ingress', `${one}/ingress`],
    ['its events', `${one}/events`],
    ['configuration', `${one}/configuration`],
    ['delete', one, press('Delete')],
    ['images', '/images'],
    ['pull', '/images', press('Pull image')],
    ['ingress', '/ingress'],
    ['operations', '/instances', async (p) => {
      if ((await p.locator('.ops-toggle').getAttribute('aria-expanded')) === 'false') await p.locator('.ops-toggle').click();
    }],
    ['account', '/settings/account'],
    ['tokens', '/settings/tokens', async (p) => {
      await p.getByRole('textbox', { name: 'Name' }).fill('ci');
      await press('Create token')(p);
      await p.getByText('shown only this once').waitFor();
    }],
    ['members', '/settings/members'],
    ['users', '/settings/users'],
    ['tenants', '/settings/tenants'],
    ['audit', '/settings/audit'],
    ['appearance', '/settings/appearance'],
    ['the API', '/api', async (p) => {
      await p.getByText('Creates an instance').click();
      await p.getByRole('heading', { name: 'Body', exact: true }).waitFor();
    }],
    ['nowhere', '/nowhere'],
  ];
}

async function look(page, url, list, where) {
  for (const [name, hash, act] of list) {
    await visit(page, `${url}/#${hash}`);
    await page.locator('#main h1').first().waitFor({ state: 'attached' });
    await page.waitForTimeout(150);
    await act?.(page);
    await axe(page, `${name}, ${where}`);
    await noSideways(page, `${name}, ${where}`);
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
