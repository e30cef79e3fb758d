/** What is known of calls that change mappings while they are under way, and after they have returned. */
import { ACQUIRE_SHARED, PAGE_SIZE, READ, WRITE } from '@mmun/include';
import type { Mm, PointKind, Step, Task, Vaddr, Where } from '@mmun/include';
import { KNOWN, KNOWN_SINCE_FORK, UNKNOWN, UNTRACKED, busyWhere, ghostOf, pageRow, returnedWhere, spaceWhere, valueWhere } from './ghost.js';
import type { Ghost } from './ghost.js';
import type { WatchedMachine } from './watched.js';

/** Calls that take a range; index + 1 is what `returned` holds. */
const CALLS = ['munmap', 'mprotect', 'madvise', 'mmap', 'mremap', 'a write', 'fork', 'exit', 'brk', 'a device fault', 'reclaim', 'truncate', 'writeback', 'the OOM reaper'] as const;
export type CallName = (typeof CALLS)[number];

const DISCARDS: ReadonlySet<CallName> = new Set<CallName>(['munmap', 'madvise', 'mmap', 'mremap', 'brk', 'exit', 'truncate', 'the OOM reaper']);
/** After these, whatever still goes by the old mapping is `stale-after-return`. */
const PROMISES: ReadonlySet<CallName> = new Set<CallName>(['munmap', 'mprotect', 'madvise', 'mmap', 'mremap', 'brk', 'exit', 'truncate', 'the OOM reaper']);

/** A call on `[start, end)` begins: one step, because from here on the outcome of an access is open. */
export function* beginCall(m: WatchedMachine, call: CallName, mm: Mm, start: Vaddr, end: Vaddr): Task<Step> {
  if (m.sched.point(ACQUIRE_SHARED, busyWhere(ghostOf(m), pageRow(mm, start)))) yield 'step';
  open(m, call, mm, start, end, 1);
}

/** The same call on further pages: part of the step in which it has begun. */
export function beginAlso(m: WatchedMachine, call: CallName, mm: Mm, start: Vaddr, end: Vaddr): void {
  open(m, call, mm, start, end, 0);
}

/** @param named pages at the beginning that the step is about already */
function open(m: WatchedMachine, call: CallName, mm: Mm, start: Vaddr, end: Vaddr, named: number): void {
  const ghost = ghostOf(m);
  forEachPage(mm, start, end, (row, i) => {
    if (i >= named) m.sched.touch(ACQUIRE_SHARED, busyWhere(ghost, row));
    ghost.page.busy[row] += 1;
    if (!DISCARDS.has(call)) return;
    ghost.page.discarding[row] += 1;
    forget(m, ghost, row);
  });
}

/**
 * It has returned: part of its last step. Counted down as it was counted up: calls commute with each other and not with those
 * who look whether one is under way. (A release would be taken for the end of a lock, which nobody looks at.)
 * `isDone`: it changed what it was asked to change. */
export function endCall(m: WatchedMachine, call: CallName, mm: Mm, start: Vaddr, end: Vaddr, isDone: boolean): void {
  const ghost = ghostOf(m);
  forEachPage(mm, start, end, (row) => {
    m.sched.touch(ACQUIRE_SHARED, busyWhere(ghost, row));
    ghost.page.busy[row] -= 1;
    // a fault takes nothing away: whoever promised before it is still held to it
    if (isDone && call !== 'a device fault') noteReturned(m, ghost, row, call);
    if (!DISCARDS.has(call)) return;
    ghost.page.discarding[row] -= 1;
    forget(m, ghost, row);
  });
}

/** fork and exit concern the whole address space. */
export function* beginOnSpace(m: WatchedMachine, call: 'fork' | 'exit', mm: Mm): Task<Step> {
  if (m.sched.point(ACQUIRE_SHARED, spaceWhere(ghostOf(m), mm))) yield 'step';
  const ghost = ghostOf(m);
  ghost.space.busy[mm] += 1;
  if (call === 'fork') ghost.space.forking[mm] += 1;
}

export function endOnSpace(m: WatchedMachine, call: 'fork' | 'exit', mm: Mm): void {
  const ghost = ghostOf(m);
  m.sched.touch(ACQUIRE_SHARED, spaceWhere(ghost, mm));
  ghost.space.busy[mm] -= 1;
  for (let row = pageRow(mm, 0 as Vaddr); row < pageRow((mm + 1) as Mm, 0 as Vaddr); row++) noteReturned(m, ghost, row, call);
  if (call === 'fork') ghost.space.forking[mm] -= 1;
}

/** The last one counts, so ends of different calls do not change places; those of one kind do. */
function noteReturned(m: WatchedMachine, ghost: Ghost, row: number, call: CallName): void {
  const now = CALLS.indexOf(call) + 1;
  const isNew = ghost.page.returned[row] !== now;
  m.sched.touch(isNew ? WRITE : READ, returnedWhere(ghost, row));
  if (isNew) ghost.page.returned[row] = now;
}

/** What the child must find: what the parent had, unless that was being written meanwhile. To be called before endOnSpace. */
export function inheritContents(m: WatchedMachine, parent: Mm, child: Mm): void {
  const ghost = ghostOf(m);
  const { known, value, address } = ghost.page;
  const isLast = ghost.space.forking[parent] === 1;
  ghost.space.parent[child] = parent;
  for (let i = 0; i < pageRow(2 as Mm, 0 as Vaddr) - pageRow(1 as Mm, 0 as Vaddr); i++) {
    const from = pageRow(parent, (i * PAGE_SIZE) as Vaddr);
    const to = pageRow(child, (i * PAGE_SIZE) as Vaddr);
    if (known[from] === UNKNOWN) continue;
    m.sched.touch(READ, valueWhere(ghost, from));
    m.sched.touch(WRITE, valueWhere(ghost, to));
    known[to] = known[from] === KNOWN_SINCE_FORK ? UNKNOWN : known[from];
    value[to] = value[from];
    address[to] = address[from];
    if (isLast && known[from] === KNOWN_SINCE_FORK) known[from] = KNOWN;
  }
}

/** The page's content is shared with others, or comes from elsewhere: it is not followed. */
export function leaveUntracked(m: WatchedMachine, mm: Mm, start: Vaddr, end: Vaddr): void {
  const ghost = ghostOf(m);
  forEachPage(mm, start, end, (row) => { ghost.page.known[row] = UNTRACKED; });
}

/** Nothing but the one who asks is changing what the page translates to. @param own calls of its own that are under way */
export function isSettled(m: WatchedMachine, mm: Mm, address: Vaddr, own: number): boolean {
  const ghost = ghostOf(m);
  const row = pageRow(mm, address);
  look(m, READ, spaceWhere(ghost, mm));
  if (ghost.space.busy[mm] > 0) return false;
  look(m, READ, busyWhere(ghost, row));
  return ghost.page.busy[row] <= own;
}

/** The last call that changed the page and has returned, if it is one after which nobody may go by what was before. */
export function promiseOf(m: WatchedMachine, mm: Mm, address: Vaddr): CallName | null {
  const ghost = ghostOf(m);
  const row = pageRow(mm, address);
  m.sched.touch(READ, returnedWhere(ghost, row));
  const call = CALLS[ghost.page.returned[row] - 1];
  return call !== undefined && PROMISES.has(call) ? call : null;
}

function look(m: WatchedMachine, kind: PointKind, where: Where): void {
  m.sched.touch(kind, where);
}

function forget(m: WatchedMachine, ghost: Ghost, row: number): void {
  if (ghost.page.known[row] === UNTRACKED) return;
  m.sched.touch(WRITE, valueWhere(ghost, row));
  ghost.page.known[row] = UNKNOWN;
}

function forEachPage(mm: Mm, start: Vaddr, end: Vaddr, visit: (row: number, index: number) => void): void {
  for (let at: number = start, i = 0; at < end; at += PAGE_SIZE, i++) visit(pageRow(mm, at as Vaddr), i);
}
