// Usage over time: three ranges, one crosshair, live, a hole where nothing was measured, and nothing at all.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { again, browser, clean, mock, oneMock, openPage, real, signIn, visit } from './harness.mjs';

oneMock({ instances: 3 });

const chart = (page, name) => page.locator('section.chart', { has: page.getByRole('heading', { name, exact: true }) });
const figure = (page, name) => chart(page, name).locator('.chart-line .num').first().textContent();

async function open(hash) {
  await browser.context.clearCookies();
  const page = await openPage(browser.context);
  await signIn(page, mock.url, hash);
  return page;
}

test('one crosshair over all charts, in words too, and the range stays in the address', { skip: real }, async () => {
  const inst = [...mock.state.instances.values()][0];
  inst.createdAt = new Date(Date.now() - 40 * 864e5).toISOString();
  const page = await open(`#/instances/${inst.id}/usage`);
  for (const name of ['CPU', 'Memory', 'Network', 'Disk']) await chart(page, name).locator('canvas').waitFor();
  const before = { cpu: await figure(page, 'CPU'), memory: await figure(page, 'Memory'), disk: await figure(page, 'Disk') };
  assert.match(before.cpu, /^[\d.]+ %$/);
  assert.match(before.memory, /MiB$/);
  assert.match(await chart(page, 'Network').locator('.sr-only').textContent(), /^in: now .*\/s, on average .*, at most .*out: now/);

  await chart(page, 'CPU').locator('.u-over').hover({ position: { x: 90, y: 40 } });
  await page.locator('.chart-moment').filter({ hasText: /\d/ }).waitFor();
  assert.notEqual(await figure(page, 'Disk'), before.disk);
  const lines = await page.locator('.u-cursor-x').evaluateAll((all) => all.map((l) => l.style.transform));
  assert.equal(lines.length, 4);
  assert.equal(new Set(lines).size, 1, lines.join());

  await page.getByRole('button', { name: '30 d' }).click();
  await page.waitForFunction(() => location.hash.endsWith('usage?range=30d'));
  await again(page);
  await page.locator('button[aria-pressed=true]', { hasText: '30 d' }).waitFor();
  await chart(page, 'Disk').locator('canvas').waitFor();
  clean(page);
  await page.close();
});

test('new figures come by themselves', { skip: real }, async () => {
  const page = await open('');
  await page.clock.install();
  const inst = [...mock.state.instances.values()][0];
  await visit(page, `${mock.url}/#/instances/${inst.id}/usage`);
  await chart(page, 'CPU').locator('canvas').waitFor();
  const asked = page.waitForRequest((r) => /usage\?since=.*step=10/.test(r.url()));
  await page.clock.runFor(10500);
  const since = Date.parse(new URL((await asked).url()).searchParams.get('since'));
  assert.ok(Date.now() - since < 120e3, 'it asks for what is new only');
  clean(page);
  await page.close();
});

test('nothing measured says what to do, an error says what and tries again', { skip: real }, async () => {
  const stopped = [...mock.state.instances.values()].find((i) => i.state === 'stopped');
  stopped.createdAt = new Date(Date.now() + 864e5).toISOString(); // so that not even one step has begun
  const page = await open(`#/instances/${stopped.id}/usage`);
  await page.getByRole('heading', { name: 'Nothing was measured in the last hour' }).waitFor();
  await page.getByText('It is measured while it runs.').waitFor();
  await page.route('**/usage?since=*', (route) => route.fulfill({ status: 503, contentType: 'application/json', body: '{"error":{"code":"BUSY","message":"the history is being repaired","details":{}}}' }));
  await page.getByRole('button', { name: '24 h' }).click();
  await page.getByText('the history is being repaired').waitFor();
  await page.unroute('**/usage?since=*');
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('heading', { name: 'Nothing was measured in the last 24 hours' }).waitFor();
  clean(page);
  await page.close();
});

test('a list sorted by usage moves with it, in one request for all', { skip: real }, async () => {
  const figures = { 'app-001': 1, 'app-002': 90 };
  const page = await open('');
  await page.clock.install();
  let asked = 0;
  await page.route('**/compute/usage', (route) => {
    asked++;
    const usage = [...mock.state.instances.values()].filter((i) => figures[i.name]).map((i) => ({ instance: i.id, name: i.name, at: new Date(Date.now() + asked * 10000).toISOString(), cpu: { usage: figures[i.name] }, memory: { used: 1e6 } }));
    return route.fulfill({ contentType: 'application/json', body: JSON.stringify({ usage }) });
  });
  await visit(page, `${mock.url}/#/instances?sort=-cpu`);
  await again(page);
  await page.getByRole('link', { name: 'app-001' }).waitFor();
  const first = (name) => page.waitForFunction((n) => document.querySelector('tbody .name')?.textContent === n, name);
  await page.clock.runFor(1000);
  await first('app-002');
  figures['app-001'] = 95;
  await page.clock.runFor(10500);
  await first('app-001');
  assert.ok(asked <= 4, `${asked} requests`);
  clean(page);
  await page.close();
});

test('a server without the library says so', { skip: real }, async () => {
  const page = await open('');
  await page.route('**/vendor/**', (route) => route.fulfill({ status: 404, body: '' }));
  const inst = [...mock.state.instances.values()][0];
  await visit(page, `${mock.url}/#/instances/${inst.id}/usage`);
  await page.getByRole('heading', { name: 'The charts could not be loaded' }).waitFor();
  page.problems.length = 0;
  await page.close();
});
