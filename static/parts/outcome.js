// How a run of code went, in a few words.

import { bytes } from '../format.js';

export const seconds = (ms) => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(ms < 10000 ? 2 : 1)} s`);

const LIMITS = { time: 'It took too long', cpu: 'It used too much CPU time', memory: 'It used too much memory', output: 'It wrote too much', disk: 'Its disk was full', fileSize: 'It wrote too large a file', processes: 'It made too many processes',
  cancelled: 'It was stopped', stopped: 'It was stopped', disconnected: 'Nobody listened any more' };

function why(end) {
  if (end.error) return end.error.message ?? end.error;
  if (end.compile && !end.compile.success) return 'It did not compile';
  if (end.limit) return LIMITS[end.limit] ?? `It was ended: ${end.limit}`;
  if (end.signal) return `It was ended by ${end.signal}`;
  if (end.exitCode) return `Exit code ${end.exitCode}`;
  return end.success === false ? 'It failed' : '';
}

/** [tone, words]; `ms` is what it took where the end does not say. */
export function outcome(end, ms = 0) {
  const bad = why(end);
  const facts = [bad || 'Done', seconds(end.timeMs ?? ms)];
  if (end.memoryBytes) facts.push(bytes(end.memoryBytes));
  return [bad ? (end.limit === 'stopped' ? 'hold' : 'bad') : 'good', facts.join(' · ')];
}
