// Flavors to choose from: sizes by name.

import { h } from '../dom.js';
import { get } from '../api.js';

const words = (f) => `${f.name}: ${f.vcpus} ${f.vcpus === 1 ? 'core' : 'cores'}, ${f.ramGB} GiB, ${f.diskGB} GiB disk${f.gpus ? `, ${f.gpus} GPU` : ''}`;

/** Adds them to a select; → all of them. */
export async function flavorChoices(select) {
  const { flavors } = await get('/compute/flavors');
  select.append(...flavors.map((f) => h('option', { value: f.name, dataset: f.gpus ? { gpus: f.gpus } : {} }, words(f))));
  return flavors;
}
