// Flavors: the sizes that an instance can be asked for by name.

import { h } from '../dom.js';
import { cell, listing, nothing, row, table } from '../parts/table.js';

const line = (f) => row(cell('Name', h('strong', null, f.name)), cell('CPU cores', h('span', { class: 'num' }, f.vcpus)), cell('Memory', h('span', { class: 'num' }, `${f.ramGB} GiB`)), cell('Disk', h('span', { class: 'num' }, `${f.diskGB} GiB`)), cell('For', f.description || '–'));

export function flavors() {
  return listing({ title: 'Flavors', text: 'Sizes by name, for clients that ask for one instead of cores and memory. They are part of this version of Lodge and the same for every tenant.', path: '/compute/flavors',
    draw: (page) => (page.flavors.length ? table('Flavors', ['Name', 'CPU cores', 'Memory', 'Disk', 'For'], page.flavors.map(line)) : nothing('box', 'No flavors', 'Instances are made with sizes of their own.')) }).node;
}
