// The playground and the services: code runs, its output comes as it is written, a stop ends it, earlier runs come back; the registry is live.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { again, axe, browser, clean, mock, noSideways, oneMock, openPage, real, signIn, visit } from './harness.mjs';
import { oneshotEvent, openSession, past, serviceEvent } from './mock-run.mjs';

oneMock();

async function playground() {
  await browser.context.clearCookies();
  const page = await openPage(browser.context);
  await signIn(page, mock.url);
  await page.evaluate(() => localStorage.clear());
  await visit(page, `${mock.url}/#/run`);
  await page.locator('.cm-content').waitFor();
  return page;
}

async function write(page, code) {
  await page.locator('.cm-content').click();
  await page.keyboard.press('Control+A');
  await page.keyboard.press('Delete');
  await page.keyboard.insertText(code);
}

const run = (page) => page.getByRole('button', { name: 'Run', exact: true }).click();
const output = (page) => page.getByRole('log', { name: 'Output' });
const said = (page, text) => page.locator('.run-status').getByText(text).waitFor();

test('output comes while it runs, in order and by its stream', { skip: real }, async () => {
  const page = await playground();
  await write(page, 'out one\nerr two\nhold\nout three');
  await page.keyboard.press('Control+Enter');
  await output(page).getByText('two').waitFor();
  assert.equal(await output(page).textContent(), 'one\ntwo\n');
  await said(page, /Running/);
  assert.equal(await page.getByRole('button', { name: 'Run', exact: true }).getAttribute('aria-disabled'), 'true');
  mock.state.letGo();
  await said(page, /Done · 12 ms · 9 MiB/);
  assert.equal(await output(page).textContent(), 'one\ntwo\nthree\n');
  assert.equal(await output(page).locator('.run-err').textContent(), 'two\n');
  await page.getByRole('button', { name: /Python out one Done/ }).waitFor(); // the server has written it down
  clean(page);
  await page.close();
});

test('standard input, languages with their own drafts, and earlier runs', { skip: real }, async () => {
  past(mock.state).length = 0;
  const page = await playground();
  await page.getByText('Nothing has run yet.').waitFor();
  assert.match(await page.locator('.cm-content').textContent(), /hello/);
  await page.locator('.tok-string').first().waitFor();
  await page.getByLabel('Standard input').fill('Grüße <b>\n');
  await write(page, 'read');
  await run(page);
  await said(page, /Done/);
  assert.equal(await output(page).textContent(), 'Grüße <b>\n');
  await page.getByLabel('Language').selectOption('javascript');
  await page.locator('.tok-keyword').first().waitFor();
  await write(page, 'exit 7');
  await run(page);
  await said(page, /Exit code 7/);
  assert.equal(await output(page).textContent(), 'It wrote nothing.');
  await page.getByLabel('Language').selectOption('python');
  assert.equal(await page.locator('.cm-line').first().textContent(), 'read');
  await page.getByRole('button', { name: /JavaScript exit 7 Exit code 7/ }).waitFor(); // written down by the server
  await again(page);
  await page.getByRole('button', { name: /JavaScript exit 7/ }).click();
  assert.equal(await page.getByLabel('Language').inputValue(), 'javascript');
  assert.equal(await page.locator('.cm-line').first().textContent(), 'exit 7');
  assert.equal(await page.locator('.run-entry').count(), 2);
  await page.getByLabel('Standard input').fill('');
  await page.getByRole('button', { name: /Python read Done/ }).click();
  assert.equal(await page.getByLabel('Standard input').inputValue(), 'Grüße <b>\n', 'what the server does not keep is remembered here');
  assert.equal(await output(page).textContent(), 'Grüße <b>\n');
  await said(page, /Done · 12 ms · 9 MiB · just now/);
  clean(page);
  await page.close();
});

test('earlier runs are the server’s: of others too, page by page, and what is cut says so', { skip: real }, async () => {
  const runs = past(mock.state);
  const [me, ada] = mock.state.users;
  const ran = (n, more = {}) => ({ id: `past-${n}`, user: me.id, language: 'python', success: true, exitCode: 0, limit: null, error: null, timeMs: 5, memoryBytes: 0, queueMs: 0, codeBytes: 9, code: `print(${n})`, output: `${n}\n`, createdAt: new Date(Date.now() - n * 60e3).toISOString(), ...more });
  runs.length = 0;
  for (let n = 0; n < 25; n++) runs.push(ran(n));
  Object.assign(runs[3], { user: ada.id, success: false, exitCode: null, limit: 'memory', code: `x = "${'a'.repeat(16380)}`, codeBytes: 50000, output: 'b'.repeat(4096) });
  const page = await playground();
  const entries = page.locator('.run-entry');
  await page.getByText('print(9)').waitFor();
  assert.equal(await entries.count(), 10);
  await page.getByRole('button', { name: /It used too much memory · 5 ms · ada · 3 min ago/ }).click();
  await said(page, /only the beginning of its code is kept/);
  await output(page).getByText('only the beginning is kept').waitFor();
  for (const shown of [20, 25]) {
    await page.getByRole('button', { name: 'Show older' }).click();
    await page.waitForFunction((n) => document.querySelectorAll('.run-entry').length === n, shown);
  }
  assert.equal(await page.getByRole('button', { name: 'Show older' }).isVisible(), false);
  await page.route('**/api/repl/runs?*', (route) => route.fulfill({ status: 503, json: { error: { code: 'X', message: 'the disk is full', details: {} } } }));
  await page.getByRole('button', { name: /print\(2\)/ }).focus();
  runs.unshift(ran(-1, { user: ada.id, createdAt: new Date().toISOString() }));
  await page.evaluate(() => document.dispatchEvent(new CustomEvent('lodge:tick')));
  await page.unroute('**/api/repl/runs?*');
  await page.evaluate(() => document.dispatchEvent(new CustomEvent('lodge:tick')));
  await page.getByText('print(-1)').waitFor();
  assert.match(await page.evaluate(() => document.activeElement.textContent), /print\(2\)/);
  assert.equal(await entries.count(), 26);
  runs.length = 0;
  clean(page);
  await page.close();
});

test('arguments, files and limits go along, are told at their field, and come back', { skip: real }, async () => {
  past(mock.state).length = 0;
  const page = await playground();
  const fold = page.locator('.run-more');
  await write(page, 'out with more');
  await fold.locator('summary').click();
  await page.getByLabel('Arguments', { exact: true }).fill('one "two words" \'\'');
  await page.getByRole('button', { name: 'Add file' }).click();
  await page.getByLabel('Name of the file').fill('../data.csv');
  await page.getByLabel('Contents of the file').fill('a,b\n1,2\n');
  await page.getByLabel('Files of this computer').setInputFiles([{ name: 'notes.txt', mimeType: 'text/plain', buffer: Buffer.from('Grüße\n') }, { name: 'cat.png', mimeType: 'image/png', buffer: Buffer.from([0x89, 0x50, 0xff, 0xfe]) }]);
  await fold.getByText('cat.png is not text in UTF-8, and only text goes along.').waitFor();
  await page.getByLabel('Time', { exact: true }).fill('soon');
  await run(page);
  await fold.getByText('A number of seconds above 0, or nothing.').waitFor();
  assert.equal(await page.getByLabel('Time', { exact: true }).evaluate((e) => e === document.activeElement), true);
  assert.equal(await page.getByLabel('Time', { exact: true }).evaluate((e) => document.elementFromPoint(e.getBoundingClientRect().x + 20, e.getBoundingClientRect().y + 8) === e), true, 'in sight');
  await page.getByLabel('Time', { exact: true }).fill('2.5');
  await page.getByLabel('Memory', { exact: true }).fill('1G');
  await page.getByRole('textbox', { name: 'Output' }).fill('64K');
  await run(page);
  await fold.getByText('It must be relative, without empty, . or .. parts').waitFor();
  await page.getByLabel('Name of the file').first().fill('in/data.csv');
  await fold.locator('summary').click(); // shut: the error opens it
  await run(page);
  await fold.getByText('The tenant’s code may have at most 128 MiB. An administrator can raise that.').waitFor();
  assert.equal(await page.locator('.failure').isVisible(), false);
  await axe(page, 'arguments, files and limits');
  await noSideways(page, 'arguments, files and limits');
  await page.getByLabel('Memory', { exact: true }).fill('64M');
  await fold.getByText('3 arguments, 2 files, at most 2.50 s, at most 64 MiB, at most 64 KiB').waitFor();
  await run(page);
  await said(page, /Done/);
  const { language, args, files, limits } = mock.state.lastRun;
  assert.deepEqual({ language, args, files, limits }, { language: 'python', args: ['one', 'two words', ''], files: [{ path: 'in/data.csv', content: 'a,b\n1,2\n' }, { path: 'notes.txt', content: 'Grüße\n' }], limits: { timeMs: 2500, memoryBytes: 2 ** 26, outputBytes: 2 ** 16 } });
  await page.getByRole('button', { name: /out with more Done/ }).waitFor();
  await again(page);
  await fold.getByText(/3 arguments, 2 files/).waitFor();
  await page.locator('.cm-content').waitFor();
  await fold.locator('summary').click();
  await page.getByLabel('Arguments', { exact: true }).fill('');
  for (let i = 0; i < 2; i++) await page.getByRole('button', { name: 'Remove this file' }).first().click();
  await fold.getByText(/^at most 2.50 s/).waitFor();
  await page.getByRole('button', { name: /out with more Done/ }).click();
  await fold.getByText('3 arguments, 2 files, at most 2.50 s, at most 64 MiB, at most 64 KiB').waitFor();
  await run(page);
  await said(page, /Done/);
  assert.deepEqual(mock.state.lastRun.args, ['one', 'two words', '']);
  assert.deepEqual(mock.state.lastRun.files, files);
  clean(page);
  await page.close();
});

test('a program is typed to while it runs, to the end of its input', { skip: real }, async () => {
  const page = await playground();
  const line = page.getByRole('textbox', { name: 'Input for the program' });
  const focused = (what) => what.evaluate((e) => e === document.activeElement);
  assert.equal(await line.isVisible(), false);
  await page.getByRole('checkbox', { name: 'Type while it runs' }).check();
  assert.equal(await line.isDisabled(), true);
  assert.equal(await page.getByRole('button', { name: 'Send' }).getAttribute('title'), 'Nothing runs that reads it.');
  await write(page, 'out your name?\nask hello \nask again \nrest\nexit 0');
  await run(page);
  await output(page).getByText('your name?').waitFor();
  assert.notEqual(await page.getByRole('button', { name: 'Run', exact: true }).evaluate((e) => getComputedStyle(e).backgroundColor), 'rgba(0, 0, 0, 0)', 'seen under the pointer, too');
  await page.waitForFunction(() => document.activeElement.getAttribute('aria-label') === 'Input for the program');
  assert.equal(await output(page).getAttribute('aria-live'), 'polite');
  await axe(page, 'typing to a program');
  await page.keyboard.type('Grüße <b>');
  await page.keyboard.press('Enter');
  await output(page).getByText('hello Grüße <b>').waitFor();
  assert.equal(await output(page).locator('.run-in').textContent(), 'Grüße <b>\n');
  await page.keyboard.press('Control+C');
  await output(page).getByText('again ^C').waitFor();
  const long = 'x'.repeat(100000); // more than one message
  await line.fill(long);
  await page.keyboard.press('Enter');
  await page.keyboard.press('Control+D');
  await output(page).getByText('1 lines').waitFor();
  await said(page, /Done/);
  assert.equal(await line.isDisabled(), true);
  assert.equal(await focused(page.getByRole('button', { name: 'Run', exact: true })), true);
  assert.equal(await output(page).getAttribute('aria-live'), 'off');
  assert.equal(mock.state.lastRun.interactive, true);
  assert.equal(mock.state.lastRun.limits.timeMs, 3600000, 'a person is slower than a program');
  clean(page);
  await page.close();
});

test('an open input: the tenant’s time, a stop, a lost connection', { skip: real }, async () => {
  const page = await playground();
  mock.state.codeTimeMs = 30000;
  await page.getByRole('checkbox', { name: 'Type while it runs' }).check();
  await write(page, 'out begun\nask ');
  await run(page);
  await output(page).getByText('begun').waitFor();
  assert.equal(mock.state.lastRun.limits.timeMs, 30000, 'as much as it may have');
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await said(page, /Stopped after/);
  mock.state.codeTimeMs = 0;
  await write(page, 'out begun\nbreak');
  await run(page);
  await said(page, /The connection was lost while it ran/);
  await write(page, 'out begun\nask ');
  await run(page);
  await output(page).getByText('begun').waitFor();
  await visit(page, `${mock.url}/#/services`);
  for (let i = 0; mock.state.running && i < 300; i++) await page.waitForTimeout(100);
  assert.equal(mock.state.running, 0);
  clean(page);
  await page.close();
});

test('stop ends it at the server, and so does leaving', { skip: real }, async () => {
  const page = await playground();
  await write(page, 'out begun\nsleep 60000\nout never');
  await run(page);
  await output(page).getByText('begun').waitFor();
  assert.equal(mock.state.running, 1);
  await page.getByRole('button', { name: 'Stop', exact: true }).click();
  await said(page, /Stopped after/);
  for (let i = 0; mock.state.running && i < 300; i++) await page.waitForTimeout(100);
  assert.equal(mock.state.running, 0);
  await run(page);
  await output(page).getByText('begun').waitFor();
  await visit(page, `${mock.url}/#/services`);
  for (let i = 0; mock.state.running && i < 300; i++) await page.waitForTimeout(100);
  assert.equal(mock.state.running, 0);
  clean(page);
  await page.close();
});

test('a run outlives a network that blinks, and its output comes once', { skip: real }, async () => {
  const page = await playground();
  await write(page, 'out one\nsleep 300\nblink\nout two');
  await run(page);
  await said(page, /Done/);
  assert.equal(await output(page).textContent(), 'one\ntwo\n');
  clean(page);
  await page.close();
});

test('limits, refusals, broken answers and floods say what happened', { skip: real }, async () => {
  const page = await playground();
  await write(page, 'out x\nlimit memory');
  await run(page);
  await said(page, /It used too much memory/);
  await write(page, 'out half\nsleep 300\nbreak');
  await run(page);
  await said(page, /The connection was lost while it ran/);
  await page.getByRole('alert').getByText('It did not run').waitFor();
  await write(page, 'many 20000\nout the last line');
  await run(page);
  await said(page, /Done/);
  const text = await output(page).textContent();
  assert.ok(text.length <= 400100 && text.endsWith('the last line\n'));
  mock.state.refuseRuns = true;
  await run(page);
  await page.getByText('Too many runs at once').waitFor();
  await page.getByText('Try again in 2 s').waitFor();
  mock.state.refuseRuns = false;
  await write(page, 'uncompiled');
  await run(page);
  await said(page, /It did not compile/);
  mock.state.languages = [];
  await again(page);
  await page.locator('button[aria-disabled=true]', { hasText: /^Run$/ }).waitFor();
  await axe(page, 'no language');
  mock.state.languages = null;
  clean(page);
  await page.close();
});

test('a language that is not there is built, and then runs', { skip: real }, async () => {
  const page = await playground();
  await page.getByLabel('Language').selectOption('sql');
  await page.getByText(/not built on this host yet/).waitFor();
  assert.equal(await page.getByRole('button', { name: 'Run', exact: true }).getAttribute('aria-disabled'), 'true');
  await axe(page, 'not built');
  await page.getByRole('button', { name: 'Build SQL (SQLite)' }).click();
  await page.getByText(/fetching and unpacking packages/).waitFor();
  await page.locator('.building').waitFor({ state: 'hidden' });
  await write(page, 'out built');
  await run(page);
  await said(page, /Done/);
  clean(page);
  await page.close();
});

test('without its library the editor is a plain field that works', { skip: real }, async () => {
  await browser.context.clearCookies();
  const page = await openPage(browser.context);
  await page.route('**/vendor/**', (r) => r.abort());
  await signIn(page, mock.url);
  await visit(page, `${mock.url}/#/run`);
  await page.getByLabel('Code').fill('out plain');
  await page.getByLabel('Code').press('Control+Enter');
  await said(page, /Done/);
  assert.equal(await output(page).textContent(), 'plain\n');
  clean(page);
  await page.close();
});

test('containers of one command come, run and are ended by themselves', { skip: real }, async () => {
  oneshotEvent(mock.state, 'running', 'before', { image: 'localhost/earlier:1' });
  const page = await playground();
  const row = (name) => page.getByRole('table', { name: 'Containers of one command' }).getByRole('row', { name: new RegExp(name) });
  await row('earlier').getByText('Running').waitFor();
  oneshotEvent(mock.state, 'created', 'one');
  await row('alpine').getByText('Waiting').waitFor();
  oneshotEvent(mock.state, 'running', 'one');
  await row('alpine').getByText('Running').waitFor();
  oneshotEvent(mock.state, 'ended', 'one', { exitCode: 3 });
  await row('alpine').getByText('Exit code 3').waitFor();
  assert.equal(await row('alpine').getByRole('button').count(), 0);
  await axe(page, 'containers');
  await row('earlier').getByRole('button', { name: /End localhost/ }).click();
  await page.getByRole('dialog').getByRole('button', { name: 'End it' }).click();
  await row('earlier').getByText('Ended: stopped').waitFor();
  mock.state.oneshots.clear();
  clean(page);
  await page.close();
});

test('one command in a container of any image: its output as it comes, its end, a stop', { skip: real }, async () => {
  const page = await playground();
  const form = page.getByRole('region', { name: 'Containers of one command' });
  const image = form.getByRole('combobox', { name: 'Image' });
  const command = form.getByRole('textbox', { name: 'Command' });
  const wrote = page.getByRole('log', { name: 'What the container wrote' });
  const go = form.getByRole('button', { name: 'Run it' });
  const words = (text) => form.locator('.run-status').getByText(text).waitFor();
  const row = (name) => form.getByRole('row', { name });
  assert.deepEqual(await form.locator('datalist option').evaluateAll((all) => all.map((o) => o.value)), ['lodge-base', 'nginx']);
  await go.click();
  await form.getByText('Which image?').waitFor();
  await image.fill('an image');
  await go.click();
  await form.getByText('It must be an image reference such as').waitFor();
  assert.equal(await wrote.isVisible(), false);
  await axe(page, 'a container of one command, refused');
  await image.fill('missing:1');
  await go.click();
  await form.getByRole('alert').getByText('there is no container image called missing:1').waitFor();
  await image.fill('alpine:3');
  await command.fill('pull layer 1 of 2; sleep 400; out one; err two; hold; out three; exit 3');
  await command.press('Enter');
  await words(/^Layer 1 of 2 · /);
  await wrote.getByText('two').waitFor();
  assert.equal(await wrote.textContent(), 'one\ntwo\n');
  assert.equal(await wrote.locator('.run-err').textContent(), 'two\n');
  await words(/^Running · /);
  await row(/alpine:3 Running/).waitFor();
  assert.equal(await go.getAttribute('aria-disabled'), 'true');
  await axe(page, 'a container of one command');
  mock.state.letGo();
  await words('The container ended with exit code 3 · 40 ms');
  await row(/alpine:3 Exit code 3/).waitFor();
  await page.locator('[aria-live=polite]').getByText('alpine:3: Exit code 3').waitFor({ state: 'attached' }); // spoken as every container's
  assert.equal(await wrote.textContent(), 'one\ntwo\nthree\n');
  assert.equal(mock.state.lastOnce.command, 'pull layer 1 of 2; sleep 400; out one; err two; hold; out three; exit 3');
  await form.getByRole('checkbox', { name: 'Without a shell' }).check();
  await command.fill('out "two words"');
  await go.click();
  await words(/The container ran to its end/);
  assert.deepEqual(mock.state.lastOnce.command, ['out', 'two words']);
  await command.fill('');
  await go.click();
  await wrote.getByText('by the image').waitFor();
  assert.equal('command' in mock.state.lastOnce, false);
  await words(/The container ran to its end/);
  await command.fill('out begun; sleep 60000');
  await form.getByRole('checkbox', { name: 'Without a shell' }).uncheck();
  await go.click();
  await wrote.getByText('begun').waitFor();
  await form.getByRole('button', { name: 'Stop it' }).click();
  await words(/^Stopped after/);
  await row(/Ended: cancelled/).waitFor();
  assert.equal(mock.state.running, 0);
  await command.fill('out half; sleep 200; break');
  await go.click();
  await form.getByRole('alert').getByText('The connection was lost while it ran.').waitFor();
  await go.click();
  await wrote.getByText('half').waitFor();
  await visit(page, `${mock.url}/#/services`);
  for (let i = 0; mock.state.running && i < 300; i++) await page.waitForTimeout(100);
  assert.equal(mock.state.running, 0, 'leaving ends it');
  mock.state.oneshots.clear();
  clean(page);
  await page.close();
});

test('open sessions: whose, how long still, ended by hand and by themselves', { skip: real }, async () => {
  const [, ada] = mock.state.users;
  openSession(mock.state, 'mine');
  openSession(mock.state, 'hers', { user: ada.id, language: 'bash', state: 'running' });
  openSession(mock.state, 'lost', { user: 'somebody who left', language: 'javascript', expiresAt: new Date(Date.now() + 42e3).toISOString() });
  const page = await playground();
  const list = page.getByRole('table', { name: 'Open sessions' });
  const row = (name) => list.getByRole('row', { name });
  await row(/Python Waiting you 2 min ago ends in 8 min/).waitFor();
  await row(/Bash Running a snippet ada .* 10 min after the snippet/).waitFor();
  await row(/JavaScript Waiting – .* ends in \d+ s/).waitFor();
  await axe(page, 'sessions');
  await row(/Python/).getByRole('button', { name: 'End the Python session opened by you' }).focus();
  mock.state.replSessions.delete('lost'); // its lease
  await row(/JavaScript/).waitFor({ state: 'detached' });
  assert.match(await page.evaluate(() => document.activeElement.getAttribute('aria-label')), /End the Python/); // drawn again without taking the focus
  mock.state.replSessions.get('hers').state = 'idle';
  await row(/Bash Waiting ada/).waitFor();
  await row(/Bash/).getByRole('button', { name: /^End/ }).click();
  await page.getByRole('dialog').getByText('It was opened by ada.').waitFor();
  await page.getByRole('dialog').getByRole('button', { name: 'End it' }).click();
  await row(/Bash/).waitFor({ state: 'detached' });
  assert.equal(mock.state.replSessions.has('hers'), false);
  await row(/Python/).getByRole('button', { name: /^End/ }).click();
  mock.state.replSessions.delete('mine'); // it ends while one is asked
  await page.getByRole('dialog').getByRole('button', { name: 'End it' }).click();
  await page.getByText('The Python session is ended').waitFor();
  await page.getByText('None is open.').waitFor();
  clean(page);
  await page.close();
});

test('services come, change and go by themselves', { skip: real }, async () => {
  await browser.context.clearCookies();
  const page = await openPage(browser.context);
  await signIn(page, mock.url);
  await visit(page, `${mock.url}/#/services`);
  const row = (name) => page.getByRole('row', { name: new RegExp(name) });
  await row('lodge-api').getByText('Healthy').waitFor();
  assert.equal(await row('mail').getByRole('button').first().textContent(), '[fd00::25]:25');
  serviceEvent(mock.state, 'registered', 'shop', '1');
  await row('shop').getByText('Healthy').waitFor();
  serviceEvent(mock.state, 'updated', 'shop', '1', { status: 'Unhealthy' });
  await row('shop').getByText('Unhealthy').waitFor();
  serviceEvent(mock.state, 'expired', 'shop', '1');
  await row('shop').waitFor({ state: 'detached' });
  await page.getByLabel('Find a service').fill('billing');
  assert.equal(await page.getByRole('row').count(), 3);
  assert.match(page.url(), /q=billing/);
  await page.getByLabel('Find a service').fill('nothing like it');
  await page.getByText('No service fits.').waitFor();
  clean(page);
  await page.close();
});
