// Flavors: the sizes that an instance can be asked for by name; administrators make and remove them.

import { h } from '../dom.js';
import { del, post } from '../api.js';
import { parseSize } from '../format.js';
import { field, input } from '../parts/form.js';
import { isAdmin } from '../parts/shell.js';
import { act, cell, change, lineForm, listing, nothing, row, table } from '../parts/table.js';

const num = (text) => h('span', { class: 'num' }, text);
const size = (gb) => (gb < 1 ? `${Math.round(gb * 1024)} MiB` : `${Math.round(gb * 100) / 100} GiB`);

function line(f, load) {
  const remove = () => change({ ask: { title: `Forget ${f.name}?`, text: ['A flavor that instances have is refused.'], verb: 'Forget' }, send: () => del(`/compute/flavors/${encodeURIComponent(f.name)}`), said: `${f.name} is forgotten`, failed: `${f.name} was not forgotten`, reload: load });
  return row(cell('Name', h('strong', null, f.name)), cell('CPU cores', num(f.vcpus)), cell('Memory', num(size(f.ramGB))), cell('Disk', num(size(f.diskGB))), cell('For', f.description || '–'), isAdmin() ? cell('', act(`Forget ${f.name}`, 'trash', remove)) : null);
}

function form(load) {
  const name = field('Name', input({ spellcheck: 'false', autocapitalize: 'off', size: '12' }), { path: 'name' });
  const cores = field('CPU cores', input({ inputmode: 'numeric', size: '8' }), { path: 'vcpus' });
  const memory = field('Memory', input({ spellcheck: 'false', size: '8' }), { path: 'ramGB', hint: 'Such as 4G' });
  const disk = field('Disk', input({ spellcheck: 'false', size: '8' }), { path: 'diskGB', hint: 'Such as 40G' });
  const what = field('For', input({ size: '14' }), { path: 'description' });
  const read = (f, of) => {
    const n = of(f.control.value.trim());
    if (!(n > 0)) throw Object.assign(new Error('That is no amount.'), { details: { field: f.dataset.path } });
    return n;
  };
  const send = async () => post('/compute/flavors', { name: name.control.value.trim(), vcpus: read(cores, Number), ramGB: read(memory, parseSize) / 2 ** 30, diskGB: read(disk, parseSize) / 2 ** 30, description: what.control.value.trim() });
  return lineForm([name, cores, memory, disk, what], 'Add flavor', send, load);
}

export function flavors() {
  const heads = ['Name', 'CPU cores', 'Memory', 'Disk', 'For', ...(isAdmin() ? [''] : [])];
  return listing({ title: 'Flavors', text: 'Sizes by name, the same for every tenant, for clients that ask for one instead of cores and memory.', form: isAdmin() ? form : undefined, path: '/compute/flavors',
    draw: (page, load) => (page.flavors.length ? table('Flavors', heads, page.flavors.map((f) => line(f, load))) : nothing('box', 'No flavors', 'Instances are made with sizes of their own.')) }).node;
}
