/** Calls that change mappings of more than one process: files, reclaim. Each tells the oracles which pages are in the open meanwhile. */
import { PAGE_SIZE, READ } from '@mmun/include';
import type { File, Inode, MaySleep, Mm, Pfn, Task, Vaddr } from '@mmun/include';
import { beginCall, discardFilePages, endCall } from '@mmun/oracle';
import type { CallName } from '@mmun/oracle';
import type { RaceContext } from './race-context.js';

/** A file of a race: what it holds at first reads as 0. */
export interface RaceFile {
  readonly inode: Inode;
  readonly file: File;
  /** As /proc/PID/maps shows it. */
  readonly ino: number;
}

/** Pages of an address space of arch toy. */
const NR_PAGES = 16;

/** Where something is mapped. */
interface Span {
  readonly mm: Mm;
  readonly start: Vaddr;
  readonly end: Vaddr;
}

/** For set-ups. */
export function newFile({ image, m }: RaceContext, ino: number, pages: number, kind: 'regular' | 'shmem'): RaceFile {
  const inode = image.newInode(m, { path: `/file${ino}`, kind, major: 8, minor: 1, ino, size: pages * PAGE_SIZE, thpAligned: false });
  const file = image.filpOpen(m, inode, { isReadable: true, isWritable: true });
  if (file === 0) throw new RangeError('no file is left: raise `config.nrFiles` and `config.nrInodes`');
  return { inode, file, ino };
}

/** `run` with every page of every address space in the open. `isDone` where it returns what it promises. */
export function* everywhere<R>(t: RaceContext, call: CallName, isDone: boolean, run: () => Task<MaySleep, R>): Task<MaySleep, R> {
  const spans = allSpans(t);
  for (const { mm, start, end } of spans) yield* beginCall(t.m, call, mm, start, end);
  const result = yield* run();
  for (const { mm, start, end } of spans) endCall(t.m, call, mm, start, end, isDone);
  return result;
}

/** The same for one process. */
export function* onSpace<R>(t: RaceContext, call: CallName, mm: Mm, run: () => Task<MaySleep, R>): Task<MaySleep, R> {
  const [start, end] = [0 as Vaddr, (NR_PAGES * PAGE_SIZE) as Vaddr];
  yield* beginCall(t.m, call, mm, start, end);
  const result = yield* run();
  endCall(t.m, call, mm, start, end, result !== false);
  return result;
}

/** The same for the pages of a file that are mapped somewhere when the call begins. */
export function* onFile<R>(t: RaceContext, call: CallName, file: RaceFile, from: number, to: number, run: () => Task<MaySleep, R>): Task<MaySleep, R> {
  const spans = spansOfFile(t, file, from, to);
  for (const { mm, start, end } of spans) yield* beginCall(t.m, call, mm, start, end);
  if (call === 'truncate') discardFilePages(t.m, file.inode, from, to);
  const result = yield* run();
  if (call === 'truncate') discardFilePages(t.m, file.inode, from, to);
  for (const { mm, start, end } of spans) endCall(t.m, call, mm, start, end, true);
  return result;
}

/** What a process of the race has at an address, also while it is ending. */
export function frameAt({ image, m }: RaceContext, mm: Mm, address: Vaddr): Pfn {
  m.sched.touch(READ, image.translationWhere(m, mm, address));
  return Math.floor(image.pagemapEntry(m, mm, address) / 4) as Pfn;
}

function allSpans({ image, m }: RaceContext): Span[] {
  const mms = Array.from({ length: m.bootConfig.nrMms }, (_, i) => (i + 1) as Mm).filter((mm) => image.isMmAlive(m, mm));
  return mms.map((mm) => ({ mm, start: 0 as Vaddr, end: (NR_PAGES * PAGE_SIZE) as Vaddr }));
}

/** By /proc/PID/maps. */
function spansOfFile(t: RaceContext, { ino }: RaceFile, from: number, to: number): Span[] {
  const { image, m } = t;
  return allSpans(t).flatMap(({ mm }) => image.procMaps(m, mm).filter((row) => row.ino === ino).map((row): Span => {
    const first = row.offset / PAGE_SIZE;
    const start = row.start + Math.max(from - first, 0) * PAGE_SIZE;
    return { mm, start: start as Vaddr, end: Math.min(row.start + (to - first) * PAGE_SIZE, row.end) as Vaddr };
  })).filter(({ start, end }) => start < end);
}
