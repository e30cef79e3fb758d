/** Calls that change mappings of more than one process: files, reclaim. Each tells the oracles which pages are in the open meanwhile. */
import { PAGE_SIZE, READ } from '@mmun/include';
import type { File, Inode, MaySleep, Mm, Pfn, Step, Task, Vaddr } from '@mmun/include';
import { beginAlso, beginCall, discardFilePages, endCall } from '@mmun/oracle';
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

/** Pages of an address space. */
interface Span {
  readonly mm: Mm;
  readonly start: Vaddr;
  readonly end: Vaddr;
}

/** Where a file is mapped. */
export interface FileSpan extends Span {
  readonly ino: number;
  /** The first page of the file that is. */
  readonly pgoff: number;
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
  yield* beginEverywhere(t, call, spans);
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

/**
 * Every page of every address space in the open, because others may map and move the file meanwhile. What the call throws away, and what it
 * promises when it returns, is about the pages where the set-up has mapped the file: to look for them later would be to read what no step names.
 */
export function* onFile<R>(t: RaceContext, call: CallName, file: RaceFile, from: number, to: number, run: () => Task<MaySleep, R>): Task<MaySleep, R> {
  const all = allSpans(t);
  const spans = spansOfFile(t, file, from, to);
  yield* beginEverywhere(t, 'writeback', all);
  for (const { mm, start, end } of spans) beginAlso(t.m, call, mm, start, end);
  if (call === 'truncate') discardFilePages(t.m, file.inode, from, to);
  const result = yield* run();
  if (call === 'truncate') discardFilePages(t.m, file.inode, from, to);
  for (const { mm, start, end } of spans) endCall(t.m, call, mm, start, end, true);
  for (const { mm, start, end } of all) endCall(t.m, 'writeback', mm, start, end, false);
  return result;
}

/** One step. */
function* beginEverywhere(t: RaceContext, call: CallName, [first, ...rest]: readonly Span[]): Task<Step> {
  if (first === undefined) return;
  yield* beginCall(t.m, call, first.mm, first.start, first.end);
  for (const { mm, start, end } of rest) beginAlso(t.m, call, mm, start, end);
}

/** What a process of the race has at an address, also while it is ending. */
export function frameAt({ image, m }: RaceContext, mm: Mm, address: Vaddr): Pfn {
  m.sched.touch(READ, image.translationWhere(m, mm, address));
  return Math.floor(image.pagemapEntry(m, mm, address) / 4) as Pfn;
}

/** Where files are mapped now, by /proc/PID/maps. */
export function mappedFiles(t: RaceContext): FileSpan[] {
  const { image, m } = t;
  return allSpans(t).filter(({ mm }) => image.isMmAlive(m, mm)).flatMap(({ mm }) => image.procMaps(m, mm).map((row): FileSpan => ({
    mm, start: row.start as Vaddr, end: row.end as Vaddr, ino: row.ino, pgoff: row.offset / PAGE_SIZE,
  })));
}

/** All that there can be, whether there is one or not: so it need not be asked. */
function allSpans({ m }: RaceContext): Span[] {
  return Array.from({ length: m.bootConfig.nrMms }, (_, i) => ({ mm: (i + 1) as Mm, start: 0 as Vaddr, end: (NR_PAGES * PAGE_SIZE) as Vaddr }));
}

function spansOfFile(t: RaceContext, { ino }: RaceFile, from: number, to: number): Span[] {
  return t.mappedFiles.filter((span) => span.ino === ino).map(({ mm, start, end, pgoff }): Span => ({
    mm, start: (start + Math.max(from - pgoff, 0) * PAGE_SIZE) as Vaddr, end: Math.min(start + (to - pgoff) * PAGE_SIZE, end) as Vaddr,
  })).filter(({ start, end }) => start < end);
}
