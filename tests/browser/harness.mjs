// A browser, a page that must stay free of errors, and either the mock server or the system that BASE_URL names.

import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach } from 'node:test';
import { chromium } from 'playwright-core';
import { startMock } from './mock.mjs';
import { State } from './mock-state.mjs';

const axeSource = await readFile(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const FLAGS = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];

export const real = Boolean(process.env.BASE_URL);
export const credentials = { user: process.env.LODGE_USER ?? 'admin', password: process.env.LODGE_PASSWORD ?? 'correct-horse' };

export async function openBrowser(options = {}) {
  const profile = await mkdtemp(join(tmpdir(), 'lodge-browser-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: FLAGS, ignoreHTTPSErrors: real, viewport: { width: 1280, height: 800 }, ...options,
  });
  context.setDefaultTimeout(Number(process.env.BROWSER_TIMEOUT ?? 60000));
  return { context, close: async () => { await context.close(); await rm(profile, { recursive: true, force: true }); } };
}

/** What the console may say in a test that provokes it. */
const EXPECTED = /status of (400|401|403|404|409|412|429|503)|ERR_CONNECTION|WebSocket connection|net::ERR|Failed to fetch dynamically imported module/;

export async function openPage(context) {
  const page = await context.newPage();
  page.problems = [];
  page.on('pageerror', (e) => page.problems.push(String(e)));
  page.on('console', (m) => {
    if ((m.type() === 'error' || m.type() === 'warning') && !EXPECTED.test(m.text())) page.problems.push(m.text());
  });
  await page.addInitScript(() => document.addEventListener('securitypolicyviolation', (e) => console.error(`CSP: ${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}`)));
  return page;
}

export async function target({ instances = 0, speed = 60 } = {}) {
  if (real) return { url: process.env.BASE_URL.replace(/\/$/, ''), close: async () => {} };
  const state = new State({ speed });
  state.seed(instances);
  return startMock({ state });
}

/** The browser gives up a navigation when an interface of the host comes or goes: every container is one. */
export async function visit(page, url) {
  for (let i = 0; ; i++) {
    try {
      return await page.goto(url);
    } catch (e) {
      if (i === 30 || !/ERR_NETWORK_CHANGED|ERR_ABORTED/.test(e.message)) throw e;
      await page.waitForTimeout(300);
    }
  }
}

export const again = (page) => page.reload().catch(() => visit(page, page.url()));

export async function signIn(page, url, hash = '') {
  await visit(page, `${url}/${hash}`);
  await page.getByLabel('User name').fill(credentials.user);
  await page.getByLabel('Password', { exact: true }).fill(credentials.password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByRole('navigation', { name: 'Main' }).waitFor();
}

/** No violation of what axe knows, in the page as it is. */
export async function axe(page, where) {
  const has = await page.evaluate(() => Boolean(globalThis.axe));
  if (!has) await page.evaluate(axeSource);
  const { violations } = await page.evaluate(() => globalThis.axe.run(document, { resultTypes: ['violations'] }));
  const text = violations.map((v) => `${v.id}: ${v.help}\n${v.nodes.map((n) => `   ${n.target} ${n.failureSummary.replaceAll('\n', ' ')}`).join('\n')}`);
  assert.equal(violations.length, 0, `axe, ${where}:\n${text.join('\n')}`);
}

export async function noSideways(page, where) {
  const over = await page.evaluate(() => {
    const width = document.documentElement.clientWidth;
    if (document.documentElement.scrollWidth <= width) return null;
    const wide = [...document.querySelectorAll('body *')].filter((e) => e.getBoundingClientRect().right > width + 1);
    return wide.slice(0, 5).map((e) => `${e.tagName}.${e.className?.baseVal ?? e.className}`).join(' ');
  });
  assert.equal(over, null, `${where} scrolls sideways: ${over}`);
}

export const clean = (page) => assert.deepEqual(page.problems, []);

/** What a file's tests share; set by the hooks below, which do nothing against a real system. */
export let browser;
export let mock;
export let page;

const openShared = async () => { browser = await openBrowser(); };
const unlessReal = (fn) => () => (real ? undefined : fn());

async function openTestPage() {
  await browser.context.clearCookies();
  page = await openPage(browser.context);
}

/** The page must have stayed free of errors; it goes in any case. */
async function closeTestPage() {
  const problems = [...page.problems];
  await page.close();
  clean({ problems });
}

/** One browser and one mock server for all tests of the file. */
export function oneMock(options) {
  before(unlessReal(async () => {
    await openShared();
    mock = await target(options);
  }));
  after(async () => {
    await browser?.close();
    await mock?.close();
  });
}

/** A page of its own for each test, as `ready` leaves it. */
export function pagePerTest(ready) {
  beforeEach(unlessReal(async () => {
    await openTestPage();
    await ready?.();
  }));
  afterEach(unlessReal(closeTestPage));
}

/** A mock server and a signed-in page for each test; `prepare` is called before the page looks, `row` is what it waits to show. */
export function mockPerTest({ prepare, row, ...options }) {
  before(unlessReal(openShared));
  after(() => browser?.close());
  beforeEach(unlessReal(async () => {
    mock = await target(options);
    prepare?.();
    await openTestPage();
    await signIn(page, mock.url);
    await page.getByRole('row', { name: row }).waitFor();
  }));
  afterEach(unlessReal(() => closeTestPage().finally(() => mock.close())));
}
