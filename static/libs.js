// Libraries, loaded when a view first needs one: `const { default: uPlot } = await library('uplot')`. They come from npm by
// static/package-lock.json and are put into vendor/ by `make static-libs`; the names are those of systemd/static-libs.

const loaded = new Map();

function sheet(href) {
  return new Promise((resolve, reject) => {
    const link = document.createElement('link');
    link.rel = 'stylesheet';
    link.href = href;
    link.onload = resolve;
    link.onerror = () => (link.remove(), reject(new Error(`${href} could not be loaded.`)));
    document.head.prepend(link); // before our own style sheet, which has the last word
  });
}

async function load(name) {
  const { default: index } = await import('./vendor/index.js');
  const entry = index[name];
  if (!entry) throw new Error(`There is no library ${name}.`);
  const [module] = await Promise.all([import(entry.js), entry.css && sheet(entry.css)]);
  return module;
}

/** → the library's module; its style sheet is in the page by then. Rejects when it could not be loaded; asking again tries again. */
export function library(name) {
  if (!loaded.has(name)) {
    const trying = load(name);
    trying.catch(() => loaded.delete(name));
    loaded.set(name, trying);
  }
  return loaded.get(name);
}

/** Several at once → an array of modules. */
export const libraries = (...names) => Promise.all(names.map(library));
