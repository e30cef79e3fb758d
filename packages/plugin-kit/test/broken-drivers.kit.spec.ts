// A driver that is no driver: each mistake is named, with the line where it was made. The driver is the one that `mmun new plugin` writes, with that
// line changed.
import { runTorture } from '@mmun/plugin-kit';
import type { SecondaryMmu } from '@mmun/include';
import { edited, removeEdited } from './edited.js';
import type { Edit } from './edited.js';

afterAll(removeEdited);

interface Mistake {
  readonly what: string;
  readonly edit: Edit;
  readonly code: string;
  readonly message: RegExp;
  /** Lines from the edit's first to the one that is named; -1: none is. */
  readonly offset?: number;
}

const RETURN_PFN: Edit = { find: '  return pfn;\n', replace: '' };
const pfn = (value: string): Edit => ({ ...RETURN_PFN, replace: `  return ${value} as Pfn;\n` });
const CREATED: Edit = { find: 'return error === 0 ? d : error;', replace: '' };

const MISTAKES: readonly Mistake[] = [
  {
    what: 'throws', code: 'bad-plugin', message: /`fault` throws TypeError: Cannot read properties of undefined/,
    edit: { find: '  x.stat.faults[0] += 1;\n', replace: '  (x as unknown as { none: { at: number } }).none.at += 1;\n' },
  },
  { what: 'reaches NaN', code: 'bad-plugin', message: /`access` returns NaN, expected the frame that it reached, 1 up to \d+, or 0/, edit: pfn('NaN'), offset: -1 },
  { what: 'reaches undefined', code: 'bad-plugin', message: /`access` returns undefined/, edit: pfn('undefined as unknown'), offset: -1 },
  { what: 'reaches a frame that no machine has', code: 'bad-plugin', message: /`access` returns 4096/, edit: pfn('4096'), offset: -1 },
  { what: 'reaches another frame than it says', code: 'bad-plugin', message: /`access` returns frame \d+ and has reached frame \d+/, edit: pfn('(pfn === 1 ? 2 : 1)'), offset: -1 },
  {
    what: 'reaches no memory', code: 'bad-plugin', message: /returns frame \d+ and has reached no memory/, offset: -1,
    edit: { find: "const value = s.deviceRead(pfn, address);\n  if (isWrite) s.deviceWrite(pfn, address, value + 1);", replace: '' },
  },
  { what: 'has an instance that is no number', code: 'bad-plugin', message: /`create` returns "one", expected an instance above 0/, edit: { ...CREATED, replace: "return 'one' as unknown as number;" }, offset: -1 },
  { what: 'has instance 0', code: 'bad-plugin', message: /`create` returns 0, expected an instance above 0/, edit: { ...CREATED, replace: 'return error === 0 ? 0 : error;' }, offset: -1 },
  { what: 'gives an instance twice', code: 'bad-plugin', message: /`create` returns 1 a second time, while that instance is open|registered a second time/, edit: { ...CREATED, replace: 'return error === 0 ? 1 : error;' }, offset: -1 },
  { what: 'is no task', code: 'bad-plugin', message: /`fault` returns 0, expected a task: write `\* fault\(\.\.\)`/, edit: { find: 'fault: (d, address, isWrite) => fault(x, d, address, isWrite)', replace: 'fault: () => 0 as never' }, offset: -1 },
  { what: 'is async', code: 'bad-plugin', message: /`fault` returns a Promise, expected a task/, edit: { find: 'fault: (d, address, isWrite) => fault(x, d, address, isWrite)', replace: 'fault: () => Promise.resolve(0) as never' }, offset: -1 },
  {
    what: 'forgets yield*', code: 'bad-plugin', message: /floating task: `create` calls `mmgrab` without `yield\*`/,
    edit: { find: 'yield* s.mmgrab(mm);', replace: 's.mmgrab(mm);' },
  },
  {
    what: 'yields a task', code: 'bad-plugin', message: /floating task: `create` calls `mmgrab` without `yield\*`/,
    edit: { find: 'yield* s.mmgrab(mm);', replace: 'yield s.mmgrab(mm) as never;' },
  },
  {
    what: 'returns a task', code: 'bad-plugin', message: /floating task: `fault` calls `withPte` without `yield\*`/, edit: { find: 'const error = yield* x.s.withPte(', replace: 'const error: unknown = x.s.withPte(' },
  },
  {
    what: 'never unlocks', code: 'lock-misuse', message: /`\w+` returns and holds the spinlock that it took|waits for a lock that it holds|self-deadlock/, edit: { find: "    stat.invalidations[0] += 1;\n  }\n  yield* s.spinUnlock(lock);", replace: '    stat.invalidations[0] += 1;\n  }' }, offset: -2,
  },
  {
    what: 'registers twice', code: 'bad-plugin', message: /notifier \d+ is registered a second time; the first was /,
    edit: { find: '    error = yield* s.mmuNotifierRegister(mn, mm);\n', replace: '    error = yield* s.mmuNotifierRegister(mn, mm); error = yield* s.mmuNotifierRegister(mn, mm);\n' },
  },
  {
    what: 'forgets an op', code: 'bad-plugin', message: /promises invalidatePages under v5 and does not bring it/, offset: -1,
    edit: { find: '    invalidatePages: (mn: MmuNotifier, _mm: Mm, start: Vaddr, end: Vaddr): Task<Step> => drop(x, of(mn), start, end),\n', replace: '' },
  },
  {
    what: 'sleeps in an op under its lock', code: 'sleep-in-atomic', message: /./,
    edit: { find: '  change?.();\n', replace: '  change?.(); yield* s.waitEvent(device.isReleased, d, 0, 0) as never;\n' },
  },
  { what: 'shows a frame that is none', code: 'bad-plugin', message: /`audit` shows frame 0: frames are 1 up to \d+/, edit: { find: '(entry.word[row] >>> 1) as Pfn, entry.word[row] % 2 === 1);', replace: '0 as Pfn, true);' }, offset: -2 },
  { what: 'hands out undefined', code: 'bad-plugin', message: /`putPage` is handed undefined as argument 1/, edit: { find: '  stat.hits[0] += 1;\n', replace: '  stat.hits[0] += 1; yield* s.putPage(undefined as unknown as Pfn);\n' } },
  { what: 'asks for a table without rows', code: 'bad-plugin', message: /table `stat` has NaN rows/, edit: { find: 'stat: { rows: 1, spec: statSpec }', replace: 'stat: { rows: NaN, spec: statSpec }' }, offset: -1 },
  {
    what: 'never comes to an end', code: 'retry-livelock', message: /does not end: it has used columns and services \d+ times/,
    edit: { find: '    if (entry.word[row] === 0 ||', replace: '    while (entry.page[row] >= start && entry.page[row] < end && entry.word[row] !== 0);\n    if (entry.word[row] === 0 ||' },
  },
  {
    what: 'tries again and again', code: 'retry-livelock', message: /`fault` does not end: it has used columns and services \d+ times/,
    edit: { find: '  x.stat.faults[0] += 1;\n', replace: '  x.stat.faults[0] += 1;\n  for (;;) yield* x.s.step(READ, whereOf(x.entry.word, 0));\n' }, offset: -1,
  },
  {
    what: 'keeps a row when its registration fails', code: 'bad-plugin', message: /`create` for a process gives -12, .*; `mmuNotifierRegister` had failed before/,
    edit: { find: '    if (error !== 0) yield* free(x, d);\n', replace: '' }, offset: -1,
  },
  { what: 'keeps the address space alive', code: 'bad-plugin', message: /its address space lives on: `mm_users` was taken and not given back/, edit: { find: '  yield* s.mmput(mm);\n  return error', replace: '  return error' }, offset: -1 },
];

describe.each(MISTAKES)('a driver that $what', ({ edit, code, message, offset = 0 }) => {
  it(`is told ${code}`, async () => {
    const { plugin, line, file } = edited([edit]);
    const { findings, ok } = await runTorture(plugin, { designs: ['v5'] });
    expect([ok, findings[0]?.code, findings[0]?.message]).toEqual([false, code, expect.stringMatching(message)]);
    if (offset >= 0) expect(findings[0]?.message).toContain(`${file}:${line + offset}`);
    else if (offset === -2) expect(findings[0]?.message).toMatch(new RegExp(`${file}:\\d+`));
  });
});

describe('what is no plugin', () => {
  it.each<readonly [string, unknown, RegExp]>([
    ['nothing', undefined, /a plugin is an object, this is undefined/],
    ['a function', (): void => undefined, /a plugin is an object, this is a function/],
    ['no name', {}, /`name` is undefined, expected lower case letters/],
    ['an unknown design', { name: 'x', designs: { v6: [] } }, /`designs` names `v6`: there are v5 and range/],
    ['an op of the other design', { name: 'x', designs: { v5: ['invalidateRangeStart'] } }, /design v5 has no op "invalidateRangeStart": it has release, invalidatePage, invalidatePages, agePage/],
    ['no attach', { name: 'x', designs: { v5: [] }, tables: () => ({}) }, /`tables` and `attach` are functions, and both are needed/],
    ['a driver without methods', { name: 'x', designs: { v5: [] }, tables: () => ({}), attach: () => ({ ops: {} }) }, /has no create, no destroy, no fault, no access, no audit, no counters/],
  ])('%s', async (_what, plugin, message) => {
    const { ok, findings } = await runTorture(plugin as SecondaryMmu);
    expect([ok, findings[0]?.code, findings[0]?.message]).toEqual([false, 'bad-plugin', expect.stringMatching(message)]);
  });
});

it('the driver that is changed here is right as it is', async () => {
  const { findings } = await runTorture(edited([]).plugin, { filter: 'rule' });
  expect(findings).toEqual([]);
});
