/**
 * The litmus program of the field: unmappers clear ptes, drop the page's reference and
 * invalidate the secondary entry; faulters install one and then access through it. An
 * entry that leads to a page nobody holds is the bug.
 *
 *   A   invalidate and install under the PT lock (v5): right
 *   B   count and sequence around the change, retry in the fault (what was merged): right
 *   C   invalidate after the page was put: wrong, even without a second thread in between
 *   D   B without the retry check: wrong, one preemption shows it
 *
 * lock order: ptl, then mmu, then pages
 */
import type { Spinlock, Step, Task, Where } from '@mmun/include';
import type { Program, Report, Thread } from '@mmun/explorer';
import { KernelBug, allocate, nameOfWhere, newLayout, reserve, viewTable } from '@mmun/lib';
import type { Table } from '@mmun/lib';
import { reserveLocking, runToCompletion, spinLock, spinUnlock, spinlockAt, viewLocking } from '@mmun/locking';
import type { LockingMachine } from '@mmun/locking';

export type Protocol = 'A' | 'B' | 'C' | 'D';

export interface UnmapFaultOptions {
  readonly protocol: Protocol;
  /** Pages, faulting threads, unmapping threads. */
  readonly pages: number;
  readonly faulters: number;
  readonly unmappers: number;
}

/** A fault that was beaten this often gives up. */
const MAX_TRIES = 3;

type LitmusSpec = {
  readonly ptl: 'u32'; readonly mmu: 'u32'; readonly pages: 'u32'; readonly active: 'u32'; readonly seq: 'u32';
};
const litmusSpec: LitmusSpec = { ptl: 'u32', mmu: 'u32', pages: 'u32', active: 'u32', seq: 'u32' };
const entrySpec = { pte: 'u32', spte: 'u32' } as const;
const frameSpec = { refs: 'i32' } as const;

export interface UnmapFaultMachine extends LockingMachine {
  readonly litmus: Table<LitmusSpec>;
  readonly entry: Table<typeof entrySpec>;
  readonly frame: Table<typeof frameSpec>;
  readonly ptl: Spinlock;
  readonly mmu: Spinlock;
  readonly pages: Spinlock;
  readonly nrPages: number;
  readonly protocol: Protocol;
}

export function unmapFault(options: UnmapFaultOptions): Program<UnmapFaultMachine> {
  const { protocol, pages, faulters, unmappers } = options;
  const threads: Thread<UnmapFaultMachine>[] = [];
  for (let i = 0; i < unmappers; i++) threads.push({ name: `unmap${i}`, run: (m) => unmap(m) });
  for (let i = 0; i < faulters; i++) threads.push({ name: `fault${i}`, run: (m) => fault(m, i % pages) });
  return {
    name: `unmap-fault ${protocol} ${pages},${faulters},${unmappers}`,
    boot: () => bootUnmapFault(protocol, pages, faulters + unmappers),
    threads,
    nameOf: (m, where: Where) => nameOfWhere(m.layout, where),
    afterStep: findStale,
  };
}

/** No secondary entry leads to a page that nobody holds, whether or not it is used. */
function findStale({ entry, frame, nrPages }: UnmapFaultMachine, report: (found: Report) => void): void {
  for (let v = 0; v < nrPages; v++) {
    const page = entry.spte[v];
    if (page !== 0 && frame.refs[page] <= 0) report({ code: 'stale-translation', message: `page ${page} is free and secondary entry ${v} still maps it` });
  }
}

function bootUnmapFault(protocol: Protocol, nrPages: number, nrTasks: number): UnmapFaultMachine {
  const layout = newLayout();
  const locking = reserveLocking(layout, { nrTasks });
  const litmusTable = reserve(layout, 'litmus', 1, litmusSpec);
  const entryTable = reserve(layout, 'entry', nrPages, entrySpec);
  const frameTable = reserve(layout, 'frame', Math.max(4, nrPages + 2), frameSpec);
  const buffer = allocate(layout);
  const litmus = viewTable(buffer, litmusTable);
  const m: UnmapFaultMachine = {
    ...viewLocking(buffer, layout, locking, runToCompletion(() => m)),
    litmus, nrPages, protocol,
    entry: viewTable(buffer, entryTable),
    frame: viewTable(buffer, frameTable),
    ptl: spinlockAt(litmus.ptl, 0), mmu: spinlockAt(litmus.mmu, 0), pages: spinlockAt(litmus.pages, 0),
  };
  return m;
}

function* unmap(m: UnmapFaultMachine): Task<Step> {
  const { protocol, nrPages } = m;
  const isRange = protocol === 'B' || protocol === 'D';
  if (isRange) yield* rangeStart(m);
  for (let v = 0; v < nrPages; v++) {
    yield* spinLock(m, m.ptl);
    const page = m.entry.pte[v];
    m.entry.pte[v] = 0;
    if (page !== 0 && protocol === 'A') yield* invalidate(m, v);
    yield* spinUnlock(m, m.ptl);
    if (page === 0) continue;
    yield* putPage(m, page);
    if (protocol === 'C') yield* invalidate(m, v);
  }
  if (isRange) yield* rangeEnd(m);
}

function* rangeStart(m: UnmapFaultMachine): Task<Step> {
  yield* spinLock(m, m.mmu);
  m.litmus.active[0]++;
  m.entry.spte.fill(0);
  yield* spinUnlock(m, m.mmu);
}

function* rangeEnd(m: UnmapFaultMachine): Task<Step> {
  yield* spinLock(m, m.mmu);
  m.litmus.seq[0]++;
  m.litmus.active[0]--;
  yield* spinUnlock(m, m.mmu);
}

function* invalidate(m: UnmapFaultMachine, v: number): Task<Step> {
  yield* spinLock(m, m.mmu);
  m.entry.spte[v] = 0;
  yield* spinUnlock(m, m.mmu);
}

function* putPage(m: UnmapFaultMachine, page: number): Task<Step> {
  yield* spinLock(m, m.pages);
  m.frame.refs[page]--;
  yield* spinUnlock(m, m.pages);
}

/** A secondary fault, then an access through what it installed. */
function* fault(m: UnmapFaultMachine, v: number): Task<Step> {
  let isInstalled = false;
  for (let tries = 0; tries < MAX_TRIES && !isInstalled; tries++) isInstalled = yield* tryInstall(m, v);
  if (isInstalled) yield* access(m, v);
}

function* tryInstall(m: UnmapFaultMachine, v: number): Task<Step, boolean> {
  let seq = 0;
  if (m.protocol === 'B') seq = yield* sampleSeq(m);
  yield* spinLock(m, m.ptl);
  if (m.entry.pte[v] === 0) yield* populate(m, v);
  const page = m.entry.pte[v];
  if (m.protocol === 'A') {
    yield* spinLock(m, m.mmu);
    m.entry.spte[v] = page;
    yield* spinUnlock(m, m.mmu);
    yield* spinUnlock(m, m.ptl);
    return true;
  }
  yield* spinUnlock(m, m.ptl);
  yield* spinLock(m, m.mmu);
  const isBeaten = m.protocol === 'B' && (m.litmus.active[0] > 0 || m.litmus.seq[0] !== seq);
  if (!isBeaten) m.entry.spte[v] = page;
  yield* spinUnlock(m, m.mmu);
  return !isBeaten;
}

function* sampleSeq(m: UnmapFaultMachine): Task<Step, number> {
  yield* spinLock(m, m.mmu);
  const seq = m.litmus.seq[0];
  yield* spinUnlock(m, m.mmu);
  return seq;
}

/** The lowest free page, held once. */
function* populate(m: UnmapFaultMachine, v: number): Task<Step> {
  const { refs } = m.frame;
  yield* spinLock(m, m.pages);
  for (let page = 1; page < refs.length; page++) {
    if (refs[page] !== 0) continue;
    refs[page] = 1;
    m.entry.pte[v] = page;
    break;
  }
  yield* spinUnlock(m, m.pages);
}

function* access(m: UnmapFaultMachine, v: number): Task<Step> {
  yield* spinLock(m, m.mmu);
  const page = m.entry.spte[v];
  if (page !== 0) {
    yield* spinLock(m, m.pages);
    if (m.frame.refs[page] <= 0) throw new KernelBug('stale-translation', `a device reached page ${page}, which is free`);
    yield* spinUnlock(m, m.pages);
  }
  yield* spinUnlock(m, m.mmu);
}
