/**
 * What is written to a page of a file is read there again, whatever becomes of the frame: kept marked as written until it is
 * on the disk, or thrown away by a call that says so.
 */
import { PAGE_SIZE, READ, WRITE } from '@mmun/include';
import type { Inode, Pfn, Vaddr } from '@mmun/include';
import type { Report } from '@mmun/explorer';
import { whereOf } from '@mmun/lib';
import { ghostOf } from './ghost.js';
import { dirtyForgotten, freedUnwritten } from './reports.js';
import type { WatchedImage, WatchedMachine } from './watched.js';

/** A CPU or a device has written to the frame, in this step. */
export function noteFrameWrite<M extends WatchedMachine>(image: WatchedImage<M>, m: M, pfn: Pfn): void {
  const { frame } = ghostOf(m);
  frame.written[pfn] = image.frameGeneration(m, pfn);
  const isFollowed = m.bootConfig.pageContentWords === 1;
  if (isFollowed) m.sched.touch(READ, image.mappingWhere(m, pfn));
  const inode = isFollowed ? image.inodeOfPage(m, pfn) : (0 as Inode);
  const index = image.pageIndex(m, pfn);
  if (inode !== 0) discardFilePages(m, inode, index, index + 1);
  frame.inode[pfn] = inode;
  if (inode === 0) return;
  frame.inodeGeneration[pfn] = image.inodeGeneration(m, inode);
  frame.index[pfn] = index;
  frame.value[pfn] = m.words[image.contentWhere(m, pfn, 0 as Vaddr)];
}

/** Pages `[from, to)` are being thrown away: what was written to them need not be found. To be called before and after. */
export function discardFilePages(m: WatchedMachine, inode: Inode, from: number, to: number): void {
  const { frame } = ghostOf(m);
  // row 0 is no frame's: whoever changes what is remembered of any file
  m.sched.touch(WRITE, whereOf(frame.inode, 0));
  for (let pfn = 1; pfn < frame.inode.length; pfn++) if (frame.inode[pfn] === inode && frame.index[pfn] >= from && frame.index[pfn] < to) frame.inode[pfn] = 0;
}

/** At rest: what was written to a file's page is marked as written where no device has an entry any more, or it is on the disk. */
export function auditFiles<M extends WatchedMachine>(image: WatchedImage<M>, m: M, report: (found: Report) => void): void {
  const { frame } = ghostOf(m);
  const followed = new Set<number>();
  for (const { driver } of image.attachedSecondaries(m)) driver.audit((_instance, _mm, _address, pfn) => { followed.add(pfn); });
  for (let row = 1; row < frame.written.length; row++) {
    if (frame.written[row] === 0) continue;
    const pfn = row as Pfn;
    if (frame.written[row] !== image.frameGeneration(m, pfn)) auditFreed(image, m, pfn, report);
    else if (!followed.has(row) && image.isFrameLive(m, pfn) && image.isPageOfFile(m, pfn) && !image.isPageDirty(m, pfn) && !image.isPageStored(m, pfn)) report(dirtyForgotten(pfn));
  }
}

/** The frame is not the page's any more. */
function auditFreed<M extends WatchedMachine>(image: WatchedImage<M>, m: M, pfn: Pfn, report: (found: Report) => void): void {
  const { frame } = ghostOf(m);
  const inode = frame.inode[pfn] as Inode;
  if (inode === 0 || image.inodeGeneration(m, inode) !== frame.inodeGeneration[pfn]) return;
  const found = image.fileWordAt(m, inode, frame.index[pfn]);
  if (found !== undefined && found >>> 0 !== frame.value[pfn]) report(freedUnwritten(pfn, frame.index[pfn] * PAGE_SIZE, frame.value[pfn], found >>> 0));
}
