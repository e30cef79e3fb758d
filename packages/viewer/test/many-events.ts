/** A run that nobody recorded, as large as one likes. */
import type { RunData } from '../src/data.js';

export function manyEvents(nrEvents: number): RunData {
  const column = (of: (event: number) => number): number[] => Array.from({ length: nrEvents }, (_, event) => of(event));
  const every = column((event) => event).filter((event) => event % 7 === 0);
  return {
    kind: 'run', name: 'many', command: 'many --events', config: 'no image', verdict: 'made up', plugins: ['kvm', 'gru'],
    processes: [{ pid: 1, command: 'one' }, { pid: 2, command: 'two' }, { pid: 3, command: 'three' }],
    names: ['fault', 'mmap', 'mprotect', 'munmap'], ops: ['invalidatePage'],
    events: {
      time: column((event) => event * 3), process: column((event) => event % 3), name: column((event) => event % 4), line: column((event) => event + 1),
      start: column((event) => 0x10000 + (event % 512) * 4096), bytes: column(() => 4096),
    },
    calls: { event: every, op: every.map(() => 0), plugin: every.map((event) => event % 2), start: every.map(() => 0x10000), end: every.map(() => 0x11000) },
    dropped: [column((event) => (event % 14 === 0 ? 1 : 0)), column((event) => (event % 14 === 7 ? 2 : 0))],
    faults: [column(() => 1), column(() => 0)], accesses: [column(() => 2), column((event) => event % 5)],
    vmas: Array.from({ length: 300 }, (_, i) => ({ process: i % 3, start: 0x10000 + i * 8192, end: 0x11000 + i * 8192, perms: 'rw-p', name: '', from: i * 20, to: nrEvents - i })),
  };
}
