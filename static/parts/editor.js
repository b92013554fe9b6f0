// A code editor (CodeMirror 6), loaded when a view first wants one. Until then, and when it cannot be loaded, a plain text field.
// Colours are ours: tokens get classes (tok-keyword, …) that style.css paints for light and dark.

import { libraries } from '../libs.js';
import { h } from '../dom.js';

const legacy = (file, name) => async (language) => {
  const [mode] = await libraries(`@codemirror/legacy-modes/mode/${file}`);
  return language.StreamLanguage.define(mode[name]);
};
const own = (lib, fn, options) => async () => (await libraries(`@codemirror/lang-${lib}`))[0][fn](options);

// Word for a language (its own name or an alias) → its mode.
const MODES = {
  python: own('python', 'python'),
  javascript: own('javascript', 'javascript'),
  typescript: own('javascript', 'javascript', { typescript: true }),
  sql: own('sql', 'sql'),
  bash: legacy('shell', 'shell'),
  c: legacy('clike', 'c'),
  cpp: legacy('clike', 'cpp'),
  java: legacy('clike', 'java'),
  ruby: legacy('ruby', 'ruby'),
  perl: legacy('perl', 'perl'),
  go: legacy('go', 'go'),
  rust: legacy('rust', 'rust'),
  lua: legacy('lua', 'lua'),
  r: legacy('r', 'r'),
  yaml: legacy('yaml', 'yaml'),
};
const ALIAS = { py: 'python', python3: 'python', js: 'javascript', node: 'javascript', nodejs: 'javascript', ts: 'typescript', sh: 'bash', shell: 'bash', sqlite: 'sql', sqlite3: 'sql', rb: 'ruby', pl: 'perl', 'c++': 'cpp', golang: 'go' };

const modeOf = (word) => MODES[word] ?? MODES[ALIAS[word]] ?? null;

function plain(label, text, onchange) {
  const area = h('textarea', { class: 'plain-editor', spellcheck: 'false', autocapitalize: 'off', autocomplete: 'off', 'aria-label': label, value: text });
  area.addEventListener('input', onchange);
  return { node: area, text: () => area.value, set: (t) => (area.value = t), focus: () => area.focus(), language: async () => {}, destroy: () => {} };
}

function rich([cm, view, language, commands, highlight], { label, text, onchange, onrun }) {
  const mode = new cm.Compartment();
  const keys = [
    { key: 'Mod-Enter', run: () => (onrun(), true) },
    ...commands.defaultKeymap,
    ...commands.historyKeymap,
    commands.indentWithTab,
  ];
  const extensions = [
    view.keymap.of(keys), commands.history(), view.lineNumbers(), view.highlightActiveLine(), view.drawSelection(), language.bracketMatching(), language.indentOnInput(), language.indentUnit.of('    '),
    language.syntaxHighlighting(highlight.classHighlighter), view.EditorView.lineWrapping, mode.of([]),
    view.EditorView.contentAttributes.of({ 'aria-label': label, 'aria-description': 'Escape, then Tab leaves the editor', spellcheck: 'false', autocapitalize: 'off' }),
    view.EditorView.updateListener.of((u) => u.docChanged && onchange()),
  ];
  const editor = new view.EditorView({ doc: text, extensions });
  let turn = 0;
  return {
    node: editor.dom,
    text: () => editor.state.doc.toString(),
    set: (t) => editor.dispatch({ changes: { from: 0, to: editor.state.doc.length, insert: t } }),
    focus: () => editor.focus(),
    language: async (word) => {
      const mine = ++turn;
      const extension = modeOf(word) ? await modeOf(word)(language) : [];
      if (mine === turn) editor.dispatch({ effects: mode.reconfigure(extension) });
    },
    destroy: () => editor.destroy(),
  };
}

/** An editor in `host` (an element). → {text(), set(text), focus(), language(word), destroy()}; plain at once, better when it has arrived. */
export function codeEditor(host, { label, text = '', onchange = () => {}, onrun = () => {} }) {
  let current = plain(label, text, onchange);
  let word = '';
  let gone = false;
  const show = (next) => {
    const focused = host.contains(document.activeElement);
    current.destroy();
    current = next;
    host.replaceChildren(next.node);
    if (focused) next.focus();
  };
  host.replaceChildren(current.node);
  current.node.addEventListener('keydown', (e) => e.key === 'Enter' && (e.ctrlKey || e.metaKey) && (e.preventDefault(), onrun()));
  const ready = libraries('@codemirror/state', '@codemirror/view', '@codemirror/language', '@codemirror/commands', '@lezer/highlight').then((libs) => {
    if (gone) return undefined;
    show(rich(libs, { label, text: current.text(), onchange, onrun }));
    return current.language(word);
  });
  ready.catch((e) => console.info(`plain editor: ${e.message}`)); // it stays a plain text field
  return {
    text: () => current.text(),
    set: (t) => current.set(t),
    focus: () => current.focus(),
    language: (w) => ((word = w), current.language(w).catch(() => {})),
    destroy: () => ((gone = true), current.destroy()),
    ready,
  };
}
