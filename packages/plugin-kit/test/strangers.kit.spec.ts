// Bugs that nobody has listed, planted by somebody who does not know the kit into the driver that `mmun new plugin` writes. A short run asks the trial
// that has found each; with MMUN_EFFORT=full the kit is told nothing.
import { effort, later } from '@mmun/test-support';
import { runTorture } from '@mmun/plugin-kit';
import { edited, removeEdited } from './edited.js';
import type { Edit } from './edited.js';

afterAll(removeEdited);

interface Bug {
  readonly what: string;
  readonly trial: string;
  readonly edits: readonly Edit[];
}

const ERROR = '  const error = device.isReleased[d] === 1 ? -ESRCH : device.ranges[d] > 0 ? -EAGAIN : 0;\n';

const INSTALL = '  if (error === 0) yield* put(x, row, 2 * pfn + (cookie & 1), pageOf(address)); // only what was asked for\n';

const BUGS: readonly Bug[] = [
  {
    what: 'looks whether a range is under way before it has the lock', trial: 'range-dontneed-read',
    edits: [{ find: `  yield* s.spinLock(lock);\n${ERROR}`, replace: `${ERROR}  yield* s.spinLock(lock);\n` }],
  },
  {
    what: 'names the page of an entry after it has left the lock', trial: 'range-dontneed-read',
    edits: [
      { find: '  entry.page[row] = page;\n', replace: '' },
      { find: `${INSTALL}  yield* s.spinUnlock(lock);\n`, replace: `${INSTALL}  yield* s.spinUnlock(lock);\n  if (error === 0) entry.page[row] = pageOf(address);\n` },
    ],
  },
  {
    what: 'names the page of an entry in a step of its own', trial: 'v5-two-pages',
    edits: [{ find: '  entry.page[row] = page;\n', replace: '  yield* s.step(WRITE, whereOf(entry.page, row));\n  entry.page[row] = page;\n' }],
  },
  {
    // as the driver here had it for a while
    what: 'names the page of an entry after it has marked the one that went', trial: 'v5-two-pages',
    edits: [
      { find: '  entry.page[row] = page;\n', replace: '' },
      { find: INSTALL, replace: `${INSTALL}  if (error === 0) entry.page[row] = pageOf(address);\n` },
    ],
  },
  {
    what: 'takes away the first page of a range of v5 only', trial: 'v5-rule-every-page',
    edits: [{ find: 'Task<Step> => drop(x, of(mn), start, end),\n', replace: 'Task<Step> => drop(x, of(mn), start, start + PAGE_SIZE),\n' }],
  },
  {
    what: 'keeps the last page of a range', trial: 'v5-rule-every-page',
    edits: [{ find: 'entry.page[row] >= end) continue;', replace: 'entry.page[row] >= end - 1 - (end - start > PAGE_SIZE ? PAGE_SIZE : 0)) continue;' }],
  },
  {
    what: 'has a flag where ranges must be counted', trial: 'range-two-ranges',
    edits: [{ find: 'device.ranges[of(mn)] += 1; }', replace: 'device.ranges[of(mn)] = 1; }' }, { find: 'device.ranges[of(mn)] -= 1; }', replace: 'device.ranges[of(mn)] = 0; }' }],
  },
  {
    what: 'marks the page that comes and not the one that goes', trial: 'v5-rule-what-the-device-writes',
    edits: [{ find: 'yield* s.setPageDirty((old >>> 1) as Pfn);', replace: 'yield* s.setPageDirty(((word === 0 ? old : word) >>> 1) as Pfn);' }],
  },
  {
    what: 'forgets, with many pages, where the second half of its entries is', trial: 'v5-rule-little-room',
    edits: [{ find: 'row < (d + 1) * SLOTS; row++) {\n    if (entry.word[row] === 0 ||', replace: 'row < (d + 1) * SLOTS - 1; row++) {\n    if (entry.word[row] === 0 ||' }],
  },
  {
    what: 'gives a reference back twice when it wrote', trial: 'v5-rule-a-fault-maps',
    edits: [{ find: '  const error = yield* x.s.withPte(', replace: '  const page = yield* x.s.getUserPages(x.device.mm[d] as Mm, address, isWrite);\n  if (page < 0) return page;\n  yield* x.s.putPage(page as Pfn);\n  if (isWrite) yield* x.s.putPage(page as Pfn);\n  const error = yield* x.s.withPte(' }],
  },
  {
    what: 'uses a device after it has freed it', trial: 'v5-munmap-close',
    edits: [
      { find: '  yield* drop(x, d, 0, Infinity); // before unregistering: afterwards nobody says when a page goes\n', replace: '' },
      { find: '  yield* free(x, d);\n}\n\n/** Nobody', replace: '  yield* free(x, d);\n  yield* drop(x, d, 0, Infinity);\n}\n\n/** Nobody' },
    ],
  },
  {
    what: 'keeps the flag of a release that a device before it has seen', trial: 'range-rule-what-can-fail',
    edits: [{ find: '[device.mm[d], device.mn[d], device.isReleased[d], device.ranges[d]] = [mm, mn, 0, 0];', replace: '[device.mm[d], device.mn[d], device.ranges[d]] = [mm, mn, 0];' }],
  },
];

describe.each(BUGS.slice(later(4, 0)))('a driver that $what', ({ trial, edits }) => {
  it('is convicted, and told why', async () => {
    const { findings } = await runTorture(edited(edits).plugin, { effort: 'quick', ...(effort(0, 1) === 1 ? {} : { filter: trial }) });
    expect(findings).toHaveLength(1);
    const [{ code, message, why } = { code: '', message: '', why: '' }] = findings;
    expect(code === 'bad-plugin' ? message : why).toMatch(/\w+ \w+ \w+/);
  });
});
