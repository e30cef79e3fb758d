// Models the VMA index of mm/mmap.c (the rbtree with gaps of 3.8, the maple tree of 6.1): same answers, an AVL tree.
/**
 * The VMAs of an mm: a list sorted by address, and a balanced tree over it whose
 * nodes know the largest gap in front of any VMA below them, so that finding a
 * VMA, linking one and finding the highest room are all logarithmic.
 *
 * Every function here wants mmap_sem: read to look, write to change.
 */
import { PAGE_SHIFT, STACK_GUARD_GAP_PAGES, VM_GROWSDOWN } from '@mmun/include';
import type { Mm, Vaddr, Vma } from '@mmun/include';
import { TASK_SIZE } from '#asm';
import type { Machine, VmaTable } from './mm-types.js';

/** Bytes below a stack that stay free; where addresses are few, a sixteenth of them all. */
export const STACK_GUARD_GAP: number = Math.min(STACK_GUARD_GAP_PAGES << PAGE_SHIFT, TASK_SIZE / 16);
const NONE = 0 as Vma;

/** Start of a VMA together with the gap that a stack keeps below it. vm_start_gap() */
export function vmStartGap(m: Machine, vma: Vma): Vaddr {
  return startGap(m.vma, vma) as Vaddr;
}

/** The first VMA that ends above `addr`, or 0. */
export function findVma(m: Machine, mm: Mm, addr: Vaddr): Vma {
  const { vmStart, vmEnd, left, right } = m.vma;
  let node = m.mm.vmaRoot[mm];
  let best = 0;
  while (node !== 0) {
    if (vmEnd[node] > addr) {
      best = node;
      if (vmStart[node] <= addr) break;
      node = left[node];
    } else node = right[node];
  }
  return best as Vma;
}

/** The last VMA that starts below `addr`, or 0. */
export function findVmaPrev(m: Machine, mm: Mm, addr: Vaddr): Vma {
  const { vmStart, left, right } = m.vma;
  let node = m.mm.vmaRoot[mm];
  let best = 0;
  while (node !== 0) {
    if (vmStart[node] < addr) {
      best = node;
      node = right[node];
    } else node = left[node];
  }
  return best as Vma;
}

/** The first VMA that overlaps `[start, end)`, or 0. find_vma_intersection() */
export function findVmaIntersection(m: Machine, mm: Mm, start: Vaddr, end: Vaddr): Vma {
  const vma = findVma(m, mm, start);
  return vma !== 0 && m.vma.vmStart[vma] < end ? vma : NONE;
}

/** Puts a VMA whose bounds are set, and overlap nothing, into list and tree. */
export function vmaLink(m: Machine, mm: Mm, vma: Vma): void {
  const v = m.vma;
  const start = v.vmStart[vma];
  let parent = 0;
  let node = m.mm.vmaRoot[mm];
  let prev = 0;
  while (node !== 0) {
    parent = node;
    if (v.vmStart[node] < start) {
      prev = node;
      node = v.right[node];
    } else node = v.left[node];
  }
  const next = prev !== 0 ? v.vmNext[prev] : m.mm.mmap[mm];
  v.vmPrev[vma] = prev;
  v.vmNext[vma] = next;
  if (prev !== 0) v.vmNext[prev] = vma;
  else m.mm.mmap[mm] = vma;
  if (next !== 0) v.vmPrev[next] = vma;
  v.left[vma] = 0;
  v.right[vma] = 0;
  v.parent[vma] = parent;
  v.height[vma] = 1;
  v.subtreeGap[vma] = gapBefore(v, vma);
  if (parent === 0) m.mm.vmaRoot[mm] = vma;
  else if (parent === prev) v.right[parent] = vma;
  else v.left[parent] = vma;
  rebalance(m, mm, parent);
  if (next !== 0) gapUpdate(v, next);
}

/** Takes a VMA out of list and tree; its own bounds stay readable. */
export function vmaUnlink(m: Machine, mm: Mm, vma: Vma): void {
  const v = m.vma;
  const prev = v.vmPrev[vma];
  const next = v.vmNext[vma];
  if (prev !== 0) v.vmNext[prev] = next;
  else m.mm.mmap[mm] = next;
  if (next !== 0) v.vmPrev[next] = prev;

  let from: number;
  if (v.left[vma] !== 0 && v.right[vma] !== 0) {
    // The successor by address is the leftmost node of the right subtree: it takes the place.
    from = v.parent[next] === vma ? next : v.parent[next];
    replaceChild(m, mm, next, v.right[next]);
    v.left[next] = v.left[vma];
    v.right[next] = v.right[vma];
    v.height[next] = v.height[vma];
    if (v.left[next] !== 0) v.parent[v.left[next]] = next;
    if (v.right[next] !== 0) v.parent[v.right[next]] = next;
    replaceChild(m, mm, vma, next);
  } else {
    from = v.parent[vma];
    replaceChild(m, mm, vma, v.left[vma] !== 0 ? v.left[vma] : v.right[vma]);
  }
  rebalance(m, mm, from);
  if (next !== 0) gapUpdate(v, next);
}

/** Changes the bounds of a linked VMA; the order of VMAs stays. */
export function vmaSetRange(m: Machine, vma: Vma, start: number, end: number, pgoff: number): void {
  const v = m.vma;
  v.vmStart[vma] = start;
  v.vmEnd[vma] = end;
  v.vmPgoff[vma] = pgoff;
  vmaGapsChanged(m, vma);
}

/** The bounds of a linked VMA have changed: its gap and the next one's are computed anew. */
function vmaGapsChanged(m: Machine, vma: Vma): void {
  gapUpdate(m.vma, vma);
  if (m.vma.vmNext[vma] !== 0) gapUpdate(m.vma, m.vma.vmNext[vma]);
}

/**
 * The highest address at which `length` bytes fit between `low` and `high`, against the end of the gap.
 *
 * The gap is looked for as if stacks kept none below them. Where the one that was found ends at a stack, the search
 * begins again below what the stack keeps, so that other gaps in there are passed over too.
 * @returns -1 where none fits. unmapped_area_topdown()
 */
export function unmappedAreaTopdown(m: Machine, mm: Mm, length: number, low: number, high: number): number {
  for (let limit = high; ;) {
    const end = highestGapEnd(m, mm, length, low, limit);
    if (end === -1) return -1;
    const next = findVma(m, mm, end as Vaddr);
    if (next === 0 || startGap(m.vma, next) >= end) return end - length;
    limit = startGap(m.vma, next);
  }
}

/** The lowest address at which `length` bytes fit. unmapped_area() @returns -1 where none does. */
export function unmappedAreaBottomup(m: Machine, mm: Mm, length: number, low: number, high: number): number {
  for (let limit = low; ;) {
    const start = lowestGapStart(m, mm, length, limit, high);
    if (start === -1) return -1;
    const next = findVma(m, mm, start as Vaddr);
    if (next === 0 || startGap(m.vma, next) >= start + length - 1) return start;
    limit = m.vma.vmEnd[next];
  }
}

function highestGapEnd(m: Machine, mm: Mm, length: number, low: number, high: number): number {
  const last = lastVma(m, mm);
  const top = last === 0 ? low : Math.max(m.vma.vmEnd[last], low);
  if (high - top >= length) return high;
  return highestGap(m.vma, m.mm.vmaRoot[mm], length, low, high);
}

function lowestGapStart(m: Machine, mm: Mm, length: number, low: number, high: number): number {
  const found = lowestGap(m.vma, m.mm.vmaRoot[mm], length, low, high);
  if (found !== -1) return found;
  const last = lastVma(m, mm);
  const top = last === 0 ? low : Math.max(m.vma.vmEnd[last], low);
  return high - top >= length ? top : -1;
}

/** The VMA with the highest address, or 0. */
export function lastVma(m: Machine, mm: Mm): Vma {
  let node = m.mm.vmaRoot[mm];
  if (node === 0) return NONE;
  while (m.vma.right[node] !== 0) node = m.vma.right[node];
  return node as Vma;
}

function highestGap(v: VmaTable, node: number, length: number, low: number, high: number): number {
  if (node === 0 || v.subtreeGap[node] < length) return -1;
  if (v.vmEnd[node] < high) {
    const found = highestGap(v, v.right[node], length, low, high);
    if (found !== -1) return found;
  }
  const gapStart = Math.max(v.vmPrev[node] === 0 ? 0 : v.vmEnd[v.vmPrev[node]], low);
  const gapEnd = Math.min(v.vmStart[node], high);
  if (gapEnd - gapStart >= length) return gapEnd;
  return v.vmStart[node] > low ? highestGap(v, v.left[node], length, low, high) : -1;
}

function lowestGap(v: VmaTable, node: number, length: number, low: number, high: number): number {
  if (node === 0 || v.subtreeGap[node] < length) return -1;
  if (v.vmStart[node] > low) {
    const found = lowestGap(v, v.left[node], length, low, high);
    if (found !== -1) return found;
  }
  const gapStart = Math.max(v.vmPrev[node] === 0 ? 0 : v.vmEnd[v.vmPrev[node]], low);
  const gapEnd = Math.min(v.vmStart[node], high);
  if (gapEnd - gapStart >= length) return gapStart;
  return v.vmEnd[node] < high ? lowestGap(v, v.right[node], length, low, high) : -1;
}

function startGap(v: VmaTable, vma: number): number {
  const start = v.vmStart[vma];
  if ((v.vmFlags[vma] & VM_GROWSDOWN) === 0) return start;
  return start > STACK_GUARD_GAP ? start - STACK_GUARD_GAP : 0;
}

/** Bytes between the VMA before (or 0) and this one. */
function gapBefore(v: VmaTable, vma: number): number {
  const prev = v.vmPrev[vma];
  return v.vmStart[vma] - (prev === 0 ? 0 : v.vmEnd[prev]);
}

function subtreeGapOf(v: VmaTable, node: number): number {
  let gap = gapBefore(v, node);
  const left = v.left[node];
  const right = v.right[node];
  if (left !== 0 && v.subtreeGap[left] > gap) gap = v.subtreeGap[left];
  if (right !== 0 && v.subtreeGap[right] > gap) gap = v.subtreeGap[right];
  return gap;
}

function gapUpdate(v: VmaTable, vma: number): void {
  for (let node = vma; node !== 0; node = v.parent[node]) {
    const gap = subtreeGapOf(v, node);
    if (gap === v.subtreeGap[node]) return;
    v.subtreeGap[node] = gap;
  }
}

/** Hangs `child` where `node` hung; `node`'s own links stay. */
function replaceChild(m: Machine, mm: Mm, node: number, child: number): void {
  const v = m.vma;
  const parent = v.parent[node];
  if (parent === 0) m.mm.vmaRoot[mm] = child;
  else if (v.left[parent] === node) v.left[parent] = child;
  else v.right[parent] = child;
  if (child !== 0) v.parent[child] = parent;
}

function heightOf(v: VmaTable, node: number): number {
  return node === 0 ? 0 : v.height[node];
}

function refresh(v: VmaTable, node: number): void {
  const l = heightOf(v, v.left[node]);
  const r = heightOf(v, v.right[node]);
  v.height[node] = (l > r ? l : r) + 1;
  v.subtreeGap[node] = subtreeGapOf(v, node);
}

/** Restores heights, gaps and balance from `node` up to the root. */
function rebalance(m: Machine, mm: Mm, node: number): void {
  const v = m.vma;
  while (node !== 0) {
    const lean = heightOf(v, v.left[node]) - heightOf(v, v.right[node]);
    if (lean > 1) {
      const left = v.left[node];
      if (heightOf(v, v.left[left]) < heightOf(v, v.right[left])) rotateLeft(m, mm, left);
      node = rotateRight(m, mm, node);
    } else if (lean < -1) {
      const right = v.right[node];
      if (heightOf(v, v.right[right]) < heightOf(v, v.left[right])) rotateRight(m, mm, right);
      node = rotateLeft(m, mm, node);
    } else refresh(v, node);
    node = v.parent[node];
  }
}

function rotateLeft(m: Machine, mm: Mm, node: number): number {
  const v = m.vma;
  const up = v.right[node];
  replaceChild(m, mm, node, up);
  v.right[node] = v.left[up];
  if (v.left[up] !== 0) v.parent[v.left[up]] = node;
  v.left[up] = node;
  v.parent[node] = up;
  refresh(v, node);
  refresh(v, up);
  return up;
}

function rotateRight(m: Machine, mm: Mm, node: number): number {
  const v = m.vma;
  const up = v.left[node];
  replaceChild(m, mm, node, up);
  v.left[node] = v.right[up];
  if (v.right[up] !== 0) v.parent[v.right[up]] = node;
  v.right[up] = node;
  v.parent[node] = up;
  refresh(v, node);
  refresh(v, up);
  return up;
}
