// The libraries that views load on demand: each loads, works, and keeps to the security policy.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { browser, clean, mock, oneMock, openPage, real, visit } from './harness.mjs';

oneMock();

/** In a page of its own; in another one when the network blinked, as a page remembers a module that did not arrive. */
async function inPage(fn, tries = 5) {
  const page = await openPage(browser.context);
  try {
    await visit(page, mock.url);
    await page.getByRole('heading', { name: 'Sign in to Lodge' }).waitFor();
    const out = await page.evaluate(fn);
    clean(page);
    return out;
  } catch (e) {
    if (!tries || !/Failed to fetch dynamically imported module/.test(e.message)) throw e;
  } finally {
    await page.close();
  }
  return inPage(fn, tries - 1);
}

test('every library there is can be loaded', { skip: real }, async () => {
  const names = await inPage(async () => {
    const [{ default: index }, { library }] = await Promise.all([import('/vendor/index.js'), import('/libs.js')]);
    await Promise.all(Object.keys(index).map(library));
    return Object.keys(index);
  });
  for (const name of ['uplot', '@xterm/xterm', '@xterm/addon-fit', '@novnc/novnc', '@codemirror/view']) assert.ok(names.includes(name), name);
});

test('a terminal has its style, and takes it along when it goes', { skip: real }, async () => {
  const seen = await inPage(async () => {
    const { libraries } = await import('/libs.js');
    const [{ Terminal }, { FitAddon }] = await libraries('@xterm/xterm', '@xterm/addon-fit');
    const box = document.createElement('div');
    document.body.append(box);
    const term = new Terminal({ rows: 5, cols: 40, theme: { foreground: '#123456' } });
    term.loadAddon(new FitAddon());
    term.open(box);
    await new Promise((resolve) => term.write('hello \x1b[1mthere', resolve));
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    const row = box.querySelector('.xterm-rows > div');
    const bold = row.querySelector('.xterm-bold');
    const out = { text: row.textContent, colour: getComputedStyle(row.parentNode).color, weight: getComputedStyle(bold).fontWeight, sheets: document.adoptedStyleSheets.length };
    term.dispose();
    return { ...out, left: document.adoptedStyleSheets.length };
  });
  assert.match(seen.text, /hello there/);
  assert.deepEqual([seen.colour, seen.weight, seen.left], ['rgb(18, 52, 86)', '700', 0]);
  assert.ok(seen.sheets > 0);
});

test('an editor marks the words of a language', { skip: real }, async () => {
  const seen = await inPage(async () => {
    const { libraries } = await import('/libs.js');
    const [{ EditorView }, { python }, language, { shell }] = await libraries('@codemirror/view', '@codemirror/lang-python', '@codemirror/language', '@codemirror/legacy-modes/mode/shell');
    const make = (doc, lang) => {
      const view = new EditorView({ doc, parent: document.body, extensions: [lang, language.syntaxHighlighting(language.defaultHighlightStyle)] });
      const words = [...view.dom.querySelectorAll('.cm-line span')].map((s) => [s.textContent, getComputedStyle(s).color]);
      return { words, display: getComputedStyle(view.scrollDOM).display, text: getComputedStyle(view.contentDOM).color };
    };
    return [make('def f(): return 1', python()), make('for x in 1 2; do echo "$x"; done', language.StreamLanguage.define(shell))];
  });
  for (const { words, display, text } of seen) {
    assert.equal(display, 'flex');
    assert.ok(words.some(([, colour]) => colour !== text), JSON.stringify(words));
  }
});

test('a chart is drawn', { skip: real }, async () => {
  const size = await inPage(async () => {
    const { library } = await import('/libs.js');
    const { default: uPlot } = await library('uplot');
    const chart = new uPlot({ width: 300, height: 120, series: [{}, { stroke: 'red' }] }, [[1, 2, 3], [3, 1, 2]], document.body);
    await new Promise((resolve) => requestAnimationFrame(() => requestAnimationFrame(resolve)));
    return [chart.root.querySelector('canvas').width > 0, getComputedStyle(chart.over).position];
  });
  assert.deepEqual(size, [true, 'absolute']);
});
