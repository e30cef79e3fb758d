// Models the merging half of mm/vma.c (6.18).
/**
 * When neighbours become one VMA. Two VMAs merge when every flag, the file and
 * the offsets agree and their anon_vmas can be one; a range that changes inside a
 * VMA is first tried against the neighbours and only then split off.
 *
 *   existing range, left side      |prev|[####]middle|   ->  |prev####|middle|
 *   existing range, right side     |middle[####]|next|   ->  |middle|####next|
 *   existing range, both           |prev|[middle]|next|  ->  |prev#######next|
 *   new range                      |prev|  free  |next|  ->  |prev#######next|
 *
 * Every function here wants mmap_sem held for write.
 */
import { PAGE_SIZE, VM_SPECIAL } from '@mmun/include';
import type { AnonVma, File, MaySleep, Mm, Task, Vma } from '@mmun/include';
import { unlinkFileVmaLocked, vmaComplete, vmaPrepare } from './i-mmap.js';
import { VM_STICKY } from './mm-types.js';
import type { Machine } from './mm-types.js';
import { anonVmaClone, vmaIsForkChild } from './rmap.js';
import { removeVma, splitVma } from './vma.js';
import { vmaSetRange, vmaUnlink } from './vma-tree.js';

const NONE = 0 as Vma;

/** struct vma_merge_struct: the range that is to become part of a neighbour. One is made per system call. */
export interface VmaMerge {
  readonly mm: Mm;
  prev: Vma;
  /** The VMA that the range lies in; 0 for a range where none is. */
  readonly middle: Vma;
  next: Vma;
  start: number;
  end: number;
  pgoff: number;
  readonly vmFlags: number;
  readonly file: File;
  /** Of mbind; 0 the default. */
  readonly policy: number;
  readonly anonVma: AnonVma;
  /** mremap: the VMA whose pages will move into the range. */
  readonly copiedFrom: Vma;
  /** brk: only `prev` may grow. */
  readonly isJustExpand: boolean;
}

/**
 * A range without a VMA, between `prev` and `next`.
 * @returns the VMA that now holds the range; 0 where nothing merged, or a table was full
 */
export function* vmaMergeNewRange(m: Machine, vmg: VmaMerge): Task<MaySleep, Vma> {
  if ((vmg.vmFlags & VM_SPECIAL) !== 0) return NONE;
  const isLeft = canMergeLeft(m, vmg);
  const isRight = !vmg.isJustExpand && canMergeRight(m, vmg, isLeft);
  if (!isLeft && !isRight) return NONE;
  const { vmStart, vmEnd, vmPgoff } = m.vma;
  const target = isLeft ? vmg.prev : vmg.next;
  const removed = isLeft && isRight ? vmg.next : NONE;
  const start = isLeft ? vmStart[vmg.prev] : vmg.start;
  const end = isRight ? vmEnd[vmg.next] : vmg.end;
  const pgoff = isLeft ? vmPgoff[vmg.prev] : vmg.pgoff;
  if (removed !== 0 && (yield* dupAnonVma(m, target, removed)) !== 0) return NONE;
  if (vmg.copiedFrom !== 0 && (yield* dupAnonVma(m, target, vmg.copiedFrom)) !== 0) return NONE;
  yield* vmaPrepare(m, target);
  if (removed !== 0) detachVma(m, vmg.mm, removed);
  vmaSetRange(m, target, start, end, pgoff);
  m.vma.vmFlags[target] |= (vmg.vmFlags | m.vma.vmFlags[removed]) & VM_STICKY;
  yield* vmaComplete(m, target);
  if (removed !== 0) yield* removeVma(m, removed);
  return target;
}

/**
 * A range of `middle`, with the flags that it is to have.
 * @returns the VMA that now holds the range; 0 where nothing merged, or a table was full
 */
export function* vmaMergeExistingRange(m: Machine, vmg: VmaMerge): Task<MaySleep, Vma> {
  const { middle, prev, next } = vmg;
  const { vmStart, vmEnd, vmPgoff } = m.vma;
  const isLeftSide = vmg.start === vmStart[middle];
  const isRightSide = vmg.end === vmEnd[middle];
  if ((vmg.vmFlags & VM_SPECIAL) !== 0 || (!isLeftSide && !isRightSide)) return NONE;
  const isLeft = isLeftSide && canMergeLeft(m, vmg);
  const isRight = isRightSide && canMergeRight(m, vmg, isLeft);
  if (!isLeft && !isRight) return NONE;

  const target = isLeft ? prev : next;
  const pages = (vmg.end - vmg.start) / PAGE_SIZE;
  const donor = isLeft && isRight && m.vma.anonVma[next] !== 0 ? next : middle;
  if ((yield* dupAnonVma(m, target, donor)) !== 0) return NONE;

  const start = isLeft ? vmStart[prev] : vmg.start;
  const end = isRight ? vmEnd[next] : vmg.end;
  const pgoff = isLeft ? vmPgoff[prev] : vmPgoff[next] - pages;
  const isMiddleGone = isLeftSide && isRightSide;
  yield* vmaPrepare(m, target);
  if (isLeft && isRight) detachVma(m, vmg.mm, next);
  if (isMiddleGone) detachVma(m, vmg.mm, middle);
  else if (isLeft) vmaSetRange(m, middle, vmg.end, vmEnd[middle], vmPgoff[middle] + pages);
  else vmaSetRange(m, middle, vmStart[middle], vmg.start, vmPgoff[middle]);
  vmaSetRange(m, target, start, end, pgoff);
  m.vma.vmFlags[target] |= (vmg.vmFlags | (isLeft && isRight ? m.vma.vmFlags[next] : 0)) & VM_STICKY;
  yield* vmaComplete(m, target);
  if (isLeft && isRight) yield* removeVma(m, next);
  if (isMiddleGone) yield* removeVma(m, middle);
  return target;
}

/** What another VMA is about to cover leaves the mm and the file. @locks those of vmaPrepare @owes removeVma */
function detachVma(m: Machine, mm: Mm, vma: Vma): void {
  vmaUnlink(m, mm, vma);
  unlinkFileVmaLocked(m, vma);
  m.mm.mapCount[mm]--;
}

/**
 * The range `[start, end)` of a VMA is to get `newFlags`: merged with a neighbour that has them, else split off.
 * The caller sets the flags of what is returned, by vmaSetFlags. vma_modify_flags()
 * @returns the VMA that holds just the range or the neighbour that took it in, or -ENOMEM
 */
export function* vmaModifyFlags(m: Machine, mm: Mm, vma: Vma, start: number, end: number, newFlags: number): Task<MaySleep, Vma | number> {
  return yield* vmaModify(m, mm, vma, start, end, newFlags, m.vma.vmPolicy[vma]);
}

/** The same for a policy, which the caller sets. vma_modify_policy() */
export function* vmaModifyPolicy(m: Machine, mm: Mm, vma: Vma, start: number, end: number, policy: number): Task<MaySleep, Vma | number> {
  return yield* vmaModify(m, mm, vma, start, end, m.vma.vmFlags[vma], policy);
}

/** vma_modify() */
function* vmaModify(m: Machine, mm: Mm, vma: Vma, start: number, end: number, newFlags: number, policy: number): Task<MaySleep, Vma | number> {
  const v = m.vma;
  const merged = yield* vmaMergeExistingRange(m, {
    mm, prev: v.vmPrev[vma] as Vma, middle: vma, next: end === v.vmEnd[vma] ? v.vmNext[vma] as Vma : NONE, start, end,
    pgoff: v.vmPgoff[vma] + (start - v.vmStart[vma]) / PAGE_SIZE, vmFlags: newFlags, file: v.vmFile[vma] as File, policy,
    anonVma: v.anonVma[vma] as AnonVma, copiedFrom: NONE, isJustExpand: false,
  });
  if (merged !== 0) return merged;
  if (v.vmStart[vma] < start) {
    const below = yield* splitVma(m, mm, vma, start, true);
    if (below < 0) return below;
  }
  if (v.vmEnd[vma] > end) {
    const above = yield* splitVma(m, mm, vma, end, false);
    if (above < 0) return above;
  }
  return vma;
}

/** Gives a VMA the flags that vmaModifyFlags made room for; what it has got by merging stays. */
export function vmaSetFlags(m: Machine, vma: Vma, newFlags: number): void {
  m.vma.vmFlags[vma] = newFlags | (m.vma.vmFlags[vma] & VM_STICKY);
}

/** `dst` takes over the anon_vma of `src` where it has none of its own. @returns 0 or -ENOMEM */
function* dupAnonVma(m: Machine, dst: Vma, src: Vma): Task<MaySleep, number> {
  if (m.vma.anonVma[src] === 0 || m.vma.anonVma[dst] !== 0) return 0;
  m.vma.anonVma[dst] = m.vma.anonVma[src];
  return yield* anonVmaClone(m, dst, src);
}

function canMergeLeft(m: Machine, vmg: VmaMerge): boolean {
  const { prev } = vmg;
  const v = m.vma;
  return prev !== 0 && v.vmEnd[prev] === vmg.start && isMergeableVma(m, vmg, prev) && isMergeableAnonVma(m, vmg, prev)
    && v.vmPgoff[prev] + (v.vmEnd[prev] - v.vmStart[prev]) / PAGE_SIZE === vmg.pgoff;
}

/** Both at once only when the neighbours fit each other as well. */
function canMergeRight(m: Machine, vmg: VmaMerge, isLeft: boolean): boolean {
  const { next } = vmg;
  const v = m.vma;
  if (next === 0 || v.vmStart[next] !== vmg.end || !isMergeableVma(m, vmg, next) || !isMergeableAnonVma(m, vmg, next)) return false;
  if (v.vmPgoff[next] !== vmg.pgoff + (vmg.end - vmg.start) / PAGE_SIZE) return false;
  return !isLeft || areAnonVmasCompatible(m, vmg.prev, next);
}

function isMergeableVma(m: Machine, vmg: VmaMerge, vma: Vma): boolean {
  return ((m.vma.vmFlags[vma] ^ vmg.vmFlags) & ~VM_STICKY) === 0 && m.vma.vmFile[vma] === vmg.file && m.vma.vmPolicy[vma] === vmg.policy;
}

/**
 * The pages of the range and those of `target` must be found through one anon_vma. A VMA that fork copied is tied to
 * several, and neither takes in one that has none nor gives its own to one.
 */
function isMergeableAnonVma(m: Machine, vmg: VmaMerge, target: Vma): boolean {
  const theirs = m.vma.anonVma[target];
  if (theirs === 0 && vmg.anonVma !== 0) return !vmaIsForkChild(m, vmg.middle) && !vmaIsForkChild(m, vmg.copiedFrom);
  if (theirs !== 0 && vmg.anonVma === 0) return !vmaIsForkChild(m, target);
  return theirs === vmg.anonVma;
}

function areAnonVmasCompatible(m: Machine, a: Vma, b: Vma): boolean {
  const { anonVma } = m.vma;
  return anonVma[a] === 0 || anonVma[b] === 0 || anonVma[a] === anonVma[b];
}
