/**
 * get_user_pages_fast in every interleaving: with interrupts off (the toy machine, as x86) and with RCU (generic, as s390);
 * and without each of the things that its soundness rests on.
 */
import { join } from 'node:path';
import { linkRace } from '@mmun/build/link-race';
import { effort, later } from '@mmun/test-support';

type Program = typeof import('./gup-fast-program.js');
type Edit = { readonly file: string; readonly find: string; readonly replace: string };

jest.setTimeout(120_000);

async function linked(image: string, ...edits: Edit[]): Promise<Program> {
  return ((await linkRace({ race: join(import.meta.dirname, 'gup-fast-program.ts'), image, edits })) as { user: Program }).user;
}

const GUP = 'mm/src/gup-fast.ts';
const NO_RECHECK: Edit = { file: GUP, find: '(yield* isStillPmd(m, pmdp, table)) && (yield* isStillPte(m, ptep, pte))', replace: 'true' };
const ANY_REFERENCE: Edit = { file: GUP, find: 'if (!(yield* refcountIncNotZero(m, refcountAt(m.page.refcount, pfn)))) return 0;', replace: 'yield* point(m, READ, whereOf(m.page.refcount, pfn)); m.page.refcount[pfn] += 1;' };
const INTERRUPTS_ON: Edit = { file: 'arch-toy/src/gup.ts', find: 'yield* localIrqSave(m, cpu, mm);', replace: '' };
const INTERRUPTS_STAY_ON: Edit = { file: 'arch-toy/src/gup.ts', find: 'yield* localIrqRestore(m, cpu);', replace: '' };
const NO_WAIT: Edit = { file: 'mm/src/mmu-gather.ts', find: 'if (HAVE_RCU_TABLE_FREE && mmuGather.hasTable[row] !== 0) yield* waitForReaders(m);', replace: '' };

describe.each(later(['generic'], ['toy', 'generic']))('on %s', (image) => {
  it.each([
    ['munmap', ['nothing', 'the page']],
    ['dontneed', ['another page', 'the page']],
    ['reclaim', ['the page', 'the page, read back']],
    ['truncate', ['nothing', 'the page']],
  ].slice(0, later(2, 4)) as [string, string[]][])('against %s a thread gets its page or what stands there now, in every interleaving', async (against, got) => {
    const result = (await linked(image)).gupFast(against, true, {});
    expect(result).toMatchObject({ exhaustive: true, findings: [], got });
    expect(result.executions).toBeGreaterThan(1);
  });
});

// links an image of its own, as those below
(effort(0, 1) === 1 ? it : it.skip)('without the second look at the pte a thread gets a page that is someone else\'s by now', async () => {
  expect((await linked('generic', NO_RECHECK)).gupFast('truncate', true, {}).got).toContain('another page');
});

later(it.skip, it)('with interrupts on a table is freed under the walk', async () => {
  const { findings } = (await linked('toy', INTERRUPTS_ON, INTERRUPTS_STAY_ON)).gupFast('munmap', false, {});
  expect(findings.map(({ code }) => code)).toContain('gup-fast-walks-freed-table');
});

/** Each links an image of its own. */
const MORE = [
  ['where nobody waits for readers a table is freed under the walk', 'generic', NO_WAIT, 'munmap', ['gup-fast-walks-freed-table']],
  ['with interrupts off the second look only sees what the flush waits for anyway', 'toy', NO_RECHECK, 'truncate', []],
  ['a reference to a page that has none ends as a double free', 'generic', ANY_REFERENCE, 'cut', ['pool-double-free']],
] as const;
for (const [name, image, edit, against, codes] of MORE.slice(0, effort(0, MORE.length))) {
  it(name, async () => {
    const { findings, exhaustive } = (await linked(image, edit)).gupFast(against, against !== 'munmap', {});
    expect([findings.map(({ code }) => code), exhaustive]).toEqual([codes, true]);
  });
}
