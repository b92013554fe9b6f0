// A form that runs one command in a container of any image, and what it writes.

import { button, fill, h, icon, setBlocked, setText, uid } from '../dom.js';
import { splitWords } from '../format.js';
import { loadImages, store } from '../live.js';
import { clearErrors, field, formError, input, showError } from './form.js';
import { seconds } from './outcome.js';
import { Output } from './output.js';
import { runOnce } from './run.js';

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1);

/** The catalogue's images as proposals: any other reference will do, too. */
function imageField(ctx) {
  const list = h('datalist', { id: uid('images') });
  const draw = () => {
    const ready = [...store.images.values()].filter((i) => i.state === 'ready' && (i.kind ?? 'container') === 'container');
    fill(list, ready.sort((a, b) => a.name.localeCompare(b.name)).map((i) => h('option', { value: i.name })));
  };
  const el = field('Image', input({ list: list.id, spellcheck: 'false', autocapitalize: 'off', placeholder: 'docker.io/library/alpine:3' }), { path: 'image', hint: 'Of the catalogue, or a reference; fetched when it is not there' });
  el.append(list);
  draw();
  ctx.on('images', draw);
  if (!store.imagesLoaded) loadImages().catch(() => {}); // without proposals one types
  return el;
}

/** [tone, words] of its end; `ms` is what it took as seen from here. */
function ending(end, ms) {
  if (end.error) return ['bad', sentence(end.error.message)];
  return [end.success ? 'good' : end.limit === 'stopped' ? 'hold' : 'bad', `${sentence(end.message)} · ${seconds(end.timeMs ?? ms)}`];
}

/** → the form with its output, for as long as `ctx` lives. Its end is spoken by whoever shows all containers: theirs are events. */
export function runOnceForm(ctx) {
  let job = null; // AbortController of the one at work
  let clock = 0;
  const image = imageField(ctx);
  const command = field('Command', input({ class: 'mono', spellcheck: 'false', autocapitalize: 'off', placeholder: 'as the image says' }), { path: 'command', cls: 'wide', hint: 'For its shell' });
  const plain = h('input', { type: 'checkbox', onchange: () => setText(command.querySelector('.hint'), plain.checked ? 'The program and its arguments, apart by spaces' : 'For its shell') });
  command.append(h('label', { class: 'inline' }, plain, 'Without a shell'));
  const ok = h('button', { type: 'submit', class: 'btn primary' }, icon('play'), h('span', null, 'Run it'));
  const stop = button('Stop it', { icon: 'stop', onclick: () => job?.abort() });
  const status = h('p', { class: 'run-status', hidden: true });
  const out = new Output('What the container wrote');
  out.el.hidden = true;
  const form = h('form', { class: 'line-form', novalidate: true }, image, command, ok, stop, formError());

  const say = (tone, text) => {
    status.hidden = !text;
    status.dataset.tone = tone;
    setText(status, text);
  };
  const buttons = () => {
    setBlocked(ok, job ? 'One runs already.' : null);
    setBlocked(stop, job ? null : 'Nothing runs.');
  };
  const asked = () => {
    const text = command.control.value.trim();
    return { image: image.control.value.trim(), ...(text && { command: plain.checked ? splitWords(text) : text }) };
  };

  async function run() {
    const began = performance.now();
    const took = () => performance.now() - began;
    const mine = (job = new AbortController());
    let doing = 'Running';
    out.clear();
    out.el.hidden = false;
    buttons();
    clock = setInterval(() => say('busy', `${doing} · ${(took() / 1000).toFixed(1)} s`), 100);
    let said = ['', '']; // a failure stands at its field
    try {
      const end = await runOnce(asked(), { signal: mine.signal, onpull: (text) => (doing = sentence(text)), onoutput: (stream, text) => {
        doing = 'Running';
        out.add(stream === 'stderr' ? 'err' : 'out', text);
      } });
      said = ending(end, took());
    } catch (e) {
      if (e.name === 'AbortError') said = ['hold', `Stopped after ${seconds(took())}`];
      else showError(form, e);
    }
    clearInterval(clock);
    job = null;
    if (ctx.gone) return;
    out.flush();
    if (!out.size) out.clear('It wrote nothing.');
    out.el.hidden = !out.size && !said[1];
    say(...said);
    buttons();
  }

  form.addEventListener('submit', (e) => {
    e.preventDefault();
    if (job) return;
    clearErrors(form);
    if (image.control.value.trim()) run();
    else showError(form, Object.assign(new Error('Which image?'), { details: { field: 'image' } }));
  });
  ctx.dispose(() => {
    job?.abort();
    clearInterval(clock);
  });
  buttons();
  return h('div', { class: 'once-form' }, form, status, out.el);
}
