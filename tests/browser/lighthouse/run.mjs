// What Lighthouse says of the dashboard's views, on its idea of a slow phone: `make lighthouse`. Against the mock server, or with
// BASE_URL, LODGE_USER and LODGE_PASSWORD against that system (which compresses, and speaks TLS).

import { createServer } from 'node:net';
import lighthouse from 'lighthouse';
import { openBrowser, openPage, real, signIn, target } from '../harness.mjs';

const freePort = () => new Promise((resolve) => {
  const s = createServer().listen(0, '127.0.0.1', () => {
    const { port } = s.address();
    s.close(() => resolve(port));
  });
});

const port = await freePort();
const browser = await openBrowser({ args: ['--no-sandbox', '--disable-gpu', '--no-first-run', `--remote-debugging-port=${port}`, ...(real ? ['--ignore-certificate-errors'] : [])] });
const few = await target({ instances: 14 });
const many = real ? null : await target({ instances: 500 });
const inst = few.state && [...few.state.instances.values()][0];

const CATEGORIES = ['performance', 'accessibility', 'best-practices'];
const seconds = (a) => `${(a.numericValue / 1000).toFixed(2)} s`;

async function look(name, url) {
  const { lhr } = await lighthouse(url, { port, output: 'json', logLevel: 'error', onlyCategories: CATEGORIES, disableStorageReset: true });
  const scores = CATEGORIES.map((c) => String(Math.round(lhr.categories[c].score * 100)));
  const a = lhr.audits;
  const bytes = a['total-byte-weight'].numericValue;
  console.log(`| ${[name, ...scores, seconds(a['first-contentful-paint']), seconds(a['largest-contentful-paint']), `${Math.round(a['total-blocking-time'].numericValue)} ms`, a['cumulative-layout-shift'].numericValue.toFixed(3), `${Math.round(bytes / 1024)} KB`].join(' | ')} |`);
  for (const c of CATEGORIES)
    for (const ref of lhr.categories[c].auditRefs) {
      const audit = a[ref.id];
      if (process.env.WHY && ref.weight && audit.score !== null && audit.score < 0.9) console.log(`    ${ref.id}: ${audit.title} ${audit.displayValue ?? ''}`);
    }
}

console.log(`| view | ${CATEGORIES.join(' | ')} | first paint | largest paint | blocked | layout shift | sent |\n|---|---|---|---|---|---|---|---|---|`);
await look('sign-in', `${few.url}/#/signin`);
const page = await openPage(browser.context);
await signIn(page, few.url);
await page.close();
await look(real ? 'list' : 'list of 14', `${few.url}/#/instances`);
if (inst) await look('instance', `${few.url}/#/instances/${inst.id}`);
if (inst) await look('usage', `${few.url}/#/instances/${inst.id}/usage`);
await look('settings', `${few.url}/#/settings/quota`);
if (many) {
  await browser.context.clearCookies();
  const again = await openPage(browser.context);
  await signIn(again, many.url);
  await again.close();
  await look('list of 500', `${many.url}/#/instances`);
}
await browser.close();
await few.close();
await many?.close();
