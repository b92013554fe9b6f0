// Screenshots of every view for looking at them: `make shots` (or `node shots.mjs <folder> [name…]`), light and dark, wide and narrow,
// with instances, with none and with 500.

import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openBrowser, openPage, signIn, target, visit } from './harness.mjs';
import { views } from './looks.views.mjs';

const [folder = 'build/shots', ...only] = process.argv.slice(2);
await mkdir(folder, { recursive: true });
const browser = await openBrowser();
const some = await target({ instances: 14 });
const none = await target();
const many = await target({ instances: 500 });
const EMPTY = [['empty-list', '/instances'], ['empty-ingress', '/ingress'], ['empty-audit', '/settings/audit'], ['empty-tokens', '/settings/tokens']];
const MANY = [['many', '/instances']];

async function shoot(page, system, list, mark) {
  await browser.context.clearCookies();
  await signIn(page, system.url);
  for (const [name, hash, act] of list) {
    const file = name.replaceAll(/\W+/g, '-');
    if (only.length && !only.includes(file)) continue;
    await visit(page, `${system.url}/#${hash}`);
    await page.reload();
    await page.locator('#main h1').first().waitFor({ state: 'attached' });
    await page.waitForTimeout(400);
    await act?.(page);
    await page.waitForTimeout(500);
    await page.screenshot({ path: join(folder, `${file}-${mark}.png`) });
    await page.keyboard.press('Escape');
  }
}

for (const theme of ['light', 'dark'])
  for (const width of [1280, 360]) {
    const page = await openPage(browser.context);
    await page.emulateMedia({ colorScheme: theme, reducedMotion: 'reduce' });
    await page.setViewportSize({ width, height: 800 });
    for (const [system, list] of [[some, views(some.state)], [none, EMPTY], [many, MANY]]) await shoot(page, system, list, `${theme}-${width}`);
    for (const problem of page.problems) console.error(problem);
    await page.close();
  }
await browser.close();
for (const system of [some, none, many]) await system.close();
