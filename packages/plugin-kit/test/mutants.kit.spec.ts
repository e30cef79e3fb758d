// Bugs that reviewers or users of real drivers found, by their numbers in the history of the notifiers: the kit convicts each. A short run asks the
// scenario that is about it; with MMUN_EFFORT=full the kit is told nothing.
import type { SecondaryMmu, Vaddr } from '@mmun/include';
import { effort, later } from '@mmun/test-support';
import { runTorture } from '@mmun/plugin-kit';
import type { DesignName, DeviceCall, TortureOptions } from '@mmun/plugin-kit';
import { lookupThenInstall } from '@mmun/races';
import { edited, removeEdited } from './edited.js';
import type { Edit } from './edited.js';

afterAll(removeEdited);

interface Mutant {
  readonly m: string;
  readonly what: string;
  readonly plugin: 'kvm' | 'gru' | 'xpmem';
  readonly design: DesignName;
  /** The scenario that a short run asks. */
  readonly scenario: string;
  readonly codes: readonly string[];
  readonly edits: readonly Edit[];
  readonly calls?: readonly DeviceCall[];
}

const STALE = ['stale-translation', 'stale-after-return', 'incoherent', 'lost-write', 'use-after-free'];
/** A slot that moves away and back: what only KVM can do. */
const MOVE_SLOT: DeviceCall = {
  name: 'move-slot',
  run: (driver: { setMemoryRegion(instance: number, region: object): never }, instance: number, address: Vaddr) =>
    driver.setMemoryRegion(instance, { slot: 0, baseGfn: 0x100, npages: 1, userspaceAddr: address }),
} as unknown as DeviceCall;

const MUTANTS: readonly Mutant[] = [
  {
    m: 'M42', what: 'looks the page up and makes the entry later, whatever happened since', plugin: 'kvm', design: 'range', scenario: 'munmap-read', codes: STALE,
    edits: [
      { file: 'page-fault.ts', find: 'const isStale = looksBack && (yield* hasMoved(k, kvm, seq));', replace: 'const isStale = looksBack && seq < 0;' },
      { file: 'mmu.ts', find: '  if (k.kvm.mmuNotifierCount[kvm] !== 0) return -EAGAIN;\n', replace: '' },
    ],
  },
  {
    m: 'M44', what: 'ends a range by the count first and moves the sequence later', plugin: 'kvm', design: 'range', scenario: 'munmap-read', codes: STALE,
    edits: [{
      file: 'mmu.ts',
      find: "  yield* moveSequence(k, kvm);\n  bugOn(k.kvm.mmuNotifierCount[kvm] === 0, 'kvm-range-end-without-start');\n  k.kvm.mmuNotifierCount[kvm] -= 1;\n  yield* k.s.spinUnlock(lock);\n",
      replace: '  k.kvm.mmuNotifierCount[kvm] -= 1;\n  yield* k.s.spinUnlock(lock);\n  yield* moveSequence(k, kvm);\n',
    }],
  },
  {
    m: 'M45', what: 'moves the sequence after it has left the lock', plugin: 'kvm', design: 'range', scenario: 'reclaim-read', codes: [...STALE, 'lost-dirty', 'excess-permission'],
    edits: [{
      file: 'mmu.ts',
      find: "  if (k.protocol !== 'pt-lock') yield* moveSequence(k, kvm);\n  yield* unmapPages(k, kvm, start, end);\n  yield* k.s.spinUnlock(lock);\n",
      replace: '  yield* unmapPages(k, kvm, start, end);\n  yield* k.s.spinUnlock(lock);\n  yield* moveSequence(k, kvm);\n',
    }],
  },
  {
    m: 'M48', what: 'makes the entry, then looks whether the page is still the one, and stops the machine where it is not', plugin: 'kvm', design: 'range', scenario: 'dontneed-read',
    codes: ['corruption', ...STALE],
    edits: [
      { file: 'mmu.ts', find: '  if (k.kvm.mmuNotifierCount[kvm] !== 0) return -EAGAIN;\n', replace: '' },
      { file: 'page-fault.ts', find: '    result = isStale ? -EAGAIN : yield* mmuSetSpte(', replace: '    result = yield* mmuSetSpte(' },
      {
        file: 'page-fault.ts', find: "    yield* k.s.spinUnlock(lock);\n    if (k.protocol !== 'pinned'",
        replace: "    yield* k.s.spinUnlock(lock);\n    if (isStale) {\n      const again = yield* k.s.getUserPages(mmOf(k, kvm), hva, isWrite);\n      bugOn(again > 0 && again !== pfn, 'kvm7-page-differs');\n      if (again > 0) yield* k.s.putPage(again as Pfn);\n    }\n    if (k.protocol !== 'pinned'",
      },
      { file: 'page-fault.ts', find: "import { EAGAIN, EFAULT, READ } from '@mmun/include';", replace: "import { EAGAIN, EFAULT, READ } from '@mmun/include';\nimport { bugOn } from '@mmun/lib';" },
    ],
  },
  {
    m: 'M49', what: 'has no release', plugin: 'kvm', design: 'range', scenario: 'exit-warm', codes: [...STALE, 'missed-release', 'refcount-leak'],
    edits: [
      { file: 'kvm.ts', find: "range: ['release', ", replace: 'range: [' },
      { file: 'kvm-ops.ts', find: '    * release(mn: MmuNotifier, _mm: Mm): Task<InSrcuRead> {', replace: '    * releaseNoMore(mn: MmuNotifier, _mm: Mm): Task<InSrcuRead> {' },
    ],
  },
  {
    m: 'M50', what: 'looks whether a range is under way before it reads the record of the miss', plugin: 'gru', design: 'range', scenario: 'dontneed-read', codes: STALE,
    edits: [{
      file: 'grufault.ts',
      find: "  const gts = yield* tfhRead(g, tfh);\n  if (gts === 0) return -EAGAIN; // the context was unloaded: its instruction will start over\n  if (yield* isRangeActive(g, gms)) return UPM_PFN;\n",
      replace: '  if (yield* isRangeActive(g, gms)) return UPM_PFN;\n  const gts = yield* tfhRead(g, tfh);\n  if (gts === 0) return -EAGAIN;\n',
    }],
  },
  {
    m: 'M52', what: 'takes a pte for a write that is not dirty', plugin: 'gru', design: 'v5', scenario: 'shared-munmap-write', codes: ['lost-dirty', ...STALE],
    edits: [{ file: 'grufault.ts', find: 'isWrite ? PTE_LOOKUP_WRITE | PTE_LOOKUP_DIRTY : 0', replace: 'isWrite ? PTE_LOOKUP_WRITE : 0' }],
  },
  {
    m: 'M53', what: 'makes the entry although the range that marked its fault is over', plugin: 'xpmem', design: 'range', scenario: 'munmap-read', codes: [...STALE, 'refcount-leak', 'lock-misuse'],
    edits: [{ file: 'xpmem-fault.ts', find: '  const isStale = endFaultLocked(x, fault);\n', replace: '  const isStale = endFaultLocked(x, fault) && fault < 0;\n' }],
  },
  {
    m: 'M54', what: 'moves a slot without the lock under which ops look for its pages', plugin: 'kvm', design: 'v5', scenario: 'move-slot', codes: [...STALE, 'excess-permission', 'lock-misuse', 'corruption'],
    edits: [
      { file: 'kvm-main.ts', find: '  yield* k.s.downWrite(lock);\n', replace: '  yield* k.s.downWrite(lock);\n  writeSlot(k, vm, region);\n' },
      { file: 'kvm-main.ts', find: '  yield* stopVcpus(k, vm);\n  writeSlot(k, vm, region);\n', replace: '  yield* stopVcpus(k, vm);\n' },
    ],
    calls: [MOVE_SLOT],
  },
];

/** The rest only says the same of other lines. */
const QUICK: ReadonlySet<string> = new Set(['M48', 'M49', 'M52', ...later([], ['M45', 'M53', 'M54'])]);
const asked = MUTANTS.filter(({ m }) => effort(0, 1) === 1 || QUICK.has(m));

const FOLDERS = { kvm: 'packages/plugin-kvm/src', gru: 'packages/plugin-gru/src', xpmem: 'packages/plugin-xpmem/src' } as const;

async function codesOf(plugin: SecondaryMmu, options: TortureOptions): Promise<readonly string[]> {
  const { findings } = await runTorture(plugin, { effort: 'quick', findsAll: false, ...options });
  return findings.map(({ code }) => code);
}

describe.each(asked)('$m: a driver that $what', ({ plugin: name, design, scenario, codes, edits, calls = [] }) => {
  it('is convicted', async () => {
    const { plugin } = edited(edits, name, FOLDERS[name]);
    const filter = effort(0, 1) === 1 ? {} : { filter: `${design}-${scenario}` };
    const found = await codesOf(plugin, { designs: [design], calls, ...filter, ...(scenario === 'move-slot' ? { filter: 'move-slot' } : {}) });
    expect(codes).toContain(found[0]);
  });
});

describe('M42: KVM as its authors had it in January 2008', () => {
  it('is convicted under v5', async () => {
    expect(STALE).toContain((await codesOf(lookupThenInstall, { filter: 'v5-munmap-cold' }))[0]);
  });
});

describe('M56: a driver that takes its own lock under one that is elsewhere taken under its own', () => {
  // a column of the driver's own stands for tree_lock, which set_page_dirty takes
  const treeLock = (act: string): string => `  yield* k.s.spinLock(k.s.spinlockAt(k.kvm.state as unknown as Int32Array, 0));\n${act}  yield* k.s.spinUnlock(k.s.spinlockAt(k.kvm.state as unknown as Int32Array, 0));\n`;
  it('is convicted, although nobody waits', async () => {
    const { plugin } = edited([
      { file: 'mmu.ts', find: '  const bucket = bucketOf(k, kvm, gfn);\n  yield* k.s.step(WRITE, bucket);\n', replace: `  const bucket = bucketOf(k, kvm, gfn);\n${treeLock('')}  yield* k.s.step(WRITE, bucket);\n` },
      { file: 'mmu.ts', find: '  yield* unmapPages(k, kvm, start, end);\n  yield* k.s.spinUnlock(lock);\n}\n\n/**\n * The start', replace: `  yield* unmapPages(k, kvm, start, end);\n  yield* k.s.spinUnlock(lock);\n${treeLock('  yield* k.s.spinLock(lock);\n  yield* k.s.spinUnlock(lock);\n')}}\n\n/**\n * The start` },
    ], 'kvm', FOLDERS.kvm);
    expect(await codesOf(plugin, { designs: ['v5'], filter: 'v5-munmap-cold' })).toContain('lock-order');
  });
});
