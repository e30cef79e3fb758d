// The table of the first races: v5 is right where entries are made under the PT lock, and wrong at fork; an entry made later is wrong everywhere.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { catalogue } from '@mmun/races';
import type { Checkable } from '@mmun/races';
import { effort, later } from '@mmun/test-support';
import { checkKnown as check } from '@mmun/test-support/linked-races';

const CALLS = ['munmap', 'mprotect', 'dontneed', 'cow', 'exit', 'fork', 'mremap', 'reclaim', 'truncate', 'unregister'];
const onTheRealMm = CALLS.flatMap((call) => [`${call}-read`, `${call}-write`]);
const isWhole = effort(0, 1) === 1;
/** Each call once, in `npm cit` and in what follows it, but for fork: what is right there is a kernel that is edited. */
const RIGHT_TODAY = ['munmap-read', 'mprotect-write', 'exit-write', ...later([], ['cow-read', 'reclaim-read', 'unregister-read', 'dontneed-read', 'mremap-read', 'truncate-write'])];
const WRONG_TODAY = ['munmap-read', 'fork-write', 'unregister-write', ...later([], ['cow-read', 'mremap-read'])];

it('holds device reads and writes against every call that changes a pte', () => {
  expect(catalogue.map(({ id }) => id)).toEqual(expect.arrayContaining(onTheRealMm));
});

describe.each(onTheRealMm)('%s', (id) => {
  (isWhole || RIGHT_TODAY.includes(id) ? it : it.skip)('is clean in every interleaving where it is right', async () => {
    const { findings, exhaustive } = await check(id, { variant: 'fixed' });
    expect({ findings, exhaustive }).toEqual({ findings: [], exhaustive: true });
  });

  (isWhole || WRONG_TODAY.includes(id) ? it : it.skip)('is convicted where it is wrong, with a counterexample that names kernel functions, lines, locks and the reason', async () => {
    const { findings: [finding] } = await check(id, { variant: 'buggy' });
    expect(catalogue.find((race) => race.id === id)?.finds).toContain(finding?.code);
    expect(finding?.minimal).toBe(true);
    expect(finding?.replay.length).toBeLessThanOrEqual(80);
    // what is about a notifier, and not about a page, is told by its steps alone
    if (!id.startsWith('unregister')) expect(finding?.why).toMatch(/step \d+\).*(changed the pte|freed the frame).*notifier/);
    for (const { file, line } of finding?.steps ?? []) expect([file, line]).toEqual([expect.stringMatching(/^packages\/[a-z-]+\/src\/[a-z/-]+\.ts$/), expect.any(Number)]);
    expect(finding?.steps.some((step) => (step.held ?? []).length > 0)).toBe(true);
  });
});

it('repeats a counterexample from its replay string alone', async () => {
  const { findings: [first] } = await check('munmap-read', { variant: 'buggy' });
  const { findings: [again], notes } = await check('munmap-read', { variant: 'buggy', replay: first?.replay ?? '' });
  expect({ ...again, minimal: true }).toEqual(first);
  expect(notes).toEqual([]);
});

it('says where a replay string no longer fits, and does not call that well', async () => {
  const { ok, findings, notes } = await check('munmap-read', { variant: 'fixed', replay: 'start:dev0,dev0.w9.mm.mmUsers.1:cpu0~abcd' });
  expect({ ok, findings }).toEqual({ ok: false, findings: [] });
  expect(notes.join()).toMatch(/after step \d+: the place `dev0\.w9\.mm\.mmUsers\.1` \(2 of 2\) never came/);
});

it('gives one verdict by dpor and by stateful', async () => {
  for (const id of ['cow-read', 'munmap-write', 'exit-write'].slice(0, effort(1, 3))) {
    for (const variant of ['buggy', 'fixed']) {
      const codes = async (strategy: 'dpor' | 'stateful'): Promise<string[]> => (await check(id, { variant, strategy, findsAll: true })).findings.map(({ code }) => code).sort();
      expect([id, variant, await codes('dpor')]).toEqual([id, variant, await codes('stateful')]);
    }
  }
});

it('stays clean with another thread of the process writing to the page', async () => {
  for (const id of ['mprotect-write', 'munmap-write', 'dontneed-read', 'cow-read'].slice(0, effort(1, 4))) {
    const { findings, exhaustive } = await check(id, { variant: 'fixed', strategy: 'stateful', set: { writers: 1 } });
    expect([id, findings, exhaustive]).toEqual([id, [], true]);
  }
});

it('says that a search that was stopped is not exhaustive', async () => {
  const { exhaustive, notes, executions, ok } = await check('dontneed-write', { variant: 'fixed', strategy: 'dpor', maxExecutions: 3 });
  expect({ exhaustive, executions, ok }).toEqual({ exhaustive: false, executions: 3, ok: true });
  expect(notes).toContain('stopped after 3 executions: not exhaustive');
});

/** Preemptions of the smallest model of each public bug; one more is granted to the whole one. Absent: a mutant that nobody measured. */
const MEASURED: ReadonlyMap<string, number> = new Map([
  ['unlink-before-release', 1], ['exit-unlinks-before-release', 1], ['radeon-start-only', 1], ['kbase-jit-grow', 1], ['hfi1-mm-after-unregister', 0],
  ['mlx5-notifier-before-object', 1], ['refused-start-unpaired', 0], ['unlinked-twice', 1], ['freed-without-grace-period', 1], ['freed-after-put', 1], ['callback-sleeps-under-rcu', 1],
  ['mlx5-deferred-child', 0], ['svm-drain-under-mutex', 0], ['m2m1shot-no-reference', 1], ['i915-page-lock', 0], ['dirty-log-flush-outside', 1],
  ['mprotect-beside-batched-flush', 1], ['sleeping-invalidate-page', 0], ['uv-page-without-reference', 1], ['vsie-partial-invalidation', 1], ['book3s-slot-flush', 1],
  ['pfncache-refresh', 1], ['nested-dirty-bit', 1], ['interval-notifier-remove', 1], ['smmu-permission-upgrade', 0], ['mremap-late-flush', 1], ['mlx5-cache-lock', 1],
  ['dirty-cow', 1], ['pte-before-notifier', 1], ['uffd-wp-deferred-flush', 2], ['hugetlb-unshare-range', 0], ['unshare-without-flush', 1], ['swap-entry-reused', 1],
]);

const bugs = catalogue.filter(({ id }) => !onTheRealMm.includes(id) && id !== 'unmap-fault');
/** Wrong kernels of every day, of v5 and of range; the others are linked in full effort. */
const EDITED: ReadonlySet<string> = new Set(later([], ['end-names-another-range', 'uffd-wp-deferred-flush']));
/** On an image that is linked for them alone. */
const LINKS: ReadonlySet<string> = new Set(later(['s390-flush-beside-proc', 's390-fork-beside-proc', 'freed-after-put'], []));

/** Right variants of an image that is linked anyway, and yet too many states for every day. */
const SLOW: ReadonlySet<string> = new Set([
  'exit-unlinks-before-release', 'unlinked-twice', 'freed-without-grace-period', 'released-twice', 'hfi1-mm-after-unregister', 'radeon-start-only',
  'refused-start-unpaired', 'unregister-without-head-lock', 'notifier-after-unlock', 'swap-entry-reused', 'hugetlb-fork', 'hugetlb-cow',
  'hugetlb-mprotect', 'hugetlb-munmap', 'gru-fill', 'gru-record-first', 'gru-write-dirty', ...later(['unlink-before-release', 'freed-after-put'], []),
]);

it('edits lines that the kernel has, each once', () => {
  const lost: string[] = [];
  for (const { id, variants } of catalogue) {
    for (const [variant, { edits }] of variants) {
      const texts = new Map<string, string>();
      for (const { file, find, replace } of edits) {
        const parts = (texts.get(file) ?? readFileSync(join(__dirname, '../..', file), 'utf8')).split(find);
        if (parts.length !== 2) lost.push(`${id}, ${variant}: ${file} has this ${parts.length - 1} times: ${find}`);
        texts.set(file, parts.join(replace));
      }
    }
  }
  expect(lost).toEqual([]);
});

it('has every public bug that was measured', () => {
  expect(bugs.map(({ id }) => id)).toEqual(expect.arrayContaining([...MEASURED.keys()]));
});

describe.each(bugs.map(({ id }) => id))('%s', (id) => {
  const { finds, variants } = catalogue.find((race) => race.id === id) as Checkable;
  // an edited kernel has to be linked first, which takes longer than to explore it
  const isLinked = (variant: string): boolean => variants.get(variant)?.edits.length === 0;

  // proving that a schedule is the shortest takes longer than finding it
  (isWhole || (isLinked('buggy') && !LINKS.has(id)) || EDITED.has(id) ? it : it.skip)(`is found, with the code${isWhole ? ' and hardly more preemptions than it needs' : ''}`, async () => {
    const { findings: [finding] } = await check(id, { variant: 'buggy', keepsLong: !isWhole });
    expect(finds).toContain(finding?.code);
    if (!isWhole) return;
    expect(finding?.preemptions).toBeLessThanOrEqual((MEASURED.get(id) ?? 1) + 1);
    expect(finding?.replay.length).toBeLessThanOrEqual(80);
  });

  (isWhole || (isLinked('fixed') && !SLOW.has(id)) ? it : it.skip)('is clean in every interleaving once it is put right', async () => {
    const { findings, exhaustive } = await check(id, { variant: 'fixed', maxMillis: 120_000 });
    expect({ findings, exhaustive }).toEqual({ findings: [], exhaustive: true });
  });
});

const further = bugs.flatMap(({ id, variants }) => [...variants.keys()].filter((name) => name !== 'buggy' && name !== 'fixed').map((variant) => [id, variant] as const));
/** Fixes that were right, or right enough, and right twins of another design; all other further variants are wrong fixes. */
const RIGHT: ReadonlySet<string> = new Set(['mprotect-beside-batched-flush unbatched', 'gru-fill range', 'gru-write-dirty range']);

(isWhole ? describe : describe.skip).each(further)('%s, %s', (id, variant) => {
  it('is settled', async () => {
    const { findings: [finding] } = await check(id, { variant });
    expect(finding === undefined).toBe(RIGHT.has(`${id} ${variant}`));
    if (finding !== undefined) expect(catalogue.find((race) => race.id === id)?.finds).toContain(finding.code);
  });
});
