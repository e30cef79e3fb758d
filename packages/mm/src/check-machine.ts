// No kernel file: the checks of CONFIG_DEBUG_VM in one walk (validate_mm, bad_page, and what they leave out).
/** Walks everything and says what does not add up. For tests and oracles, at quiescence; it allocates. */
import { PAGE_SIZE, VM_LOCKED } from '@mmun/include';
import type { Finding, Mm, Vma } from '@mmun/include';
import { poolHighest, poolIsLive } from '@mmun/lib';
import { checkPages } from './check-pages.js';
import { checkRmap } from './check-rmap.js';
import { isDataMapping } from './limits.js';
import type { Machine } from './mm-types.js';

/** @returns empty where every count, list and tree agrees */
export function checkMachine(m: Machine): Finding[] {
  const found: Finding[] = [];
  const report = (code: string, message: string): void => { found.push({ code, message, replay: '', steps: [] }); };
  for (let mm = 1; mm <= poolHighest(m.mmPool); mm++) if (poolIsLive(m.mmPool, mm)) checkMm(m, mm as Mm, report);
  checkAnonVmas(m, report);
  checkIdle(m, report);
  found.push(...checkPages(m), ...checkRmap(m));
  return found;
}

type Report = (code: string, message: string) => void;

function checkMm(m: Machine, mm: Mm, report: Report): void {
  const v = m.vma;
  let count = 0;
  let pages = 0;
  let locked = 0;
  let data = 0;
  let prev = 0;
  for (let vma = m.mm.mmap[mm]; vma !== 0; prev = vma, vma = v.vmNext[vma]) {
    const where = `mm ${mm}, vma at 0x${v.vmStart[vma].toString(16)}`;
    if (!poolIsLive(m.vmaPool, vma)) report('vma-use-after-free', `${where} is linked but free`);
    if (v.vmMm[vma] !== mm) report('vma-wrong-mm', `${where} belongs to mm ${v.vmMm[vma]}`);
    if (v.vmStart[vma] >= v.vmEnd[vma] || v.vmStart[vma] % PAGE_SIZE !== 0 || v.vmEnd[vma] % PAGE_SIZE !== 0) report('vma-bounds', `${where} ends at 0x${v.vmEnd[vma].toString(16)}`);
    if (prev !== 0 && v.vmEnd[prev] > v.vmStart[vma]) report('vma-overlap', `${where} begins inside the one before`);
    if (v.vmPrev[vma] !== prev) report('vma-list', `${where} has a wrong predecessor`);
    const nrPages = (v.vmEnd[vma] - v.vmStart[vma]) / PAGE_SIZE;
    count++;
    pages += nrPages;
    if ((v.vmFlags[vma] & VM_LOCKED) !== 0) locked += nrPages;
    if (isDataMapping(v.vmFlags[vma])) data += nrPages;
  }
  if (count !== m.mm.mapCount[mm]) report('map-count', `mm ${mm} counts ${m.mm.mapCount[mm]} vmas and has ${count}`);
  // the totals that an address space had when it ended are left in a struct that someone still pins
  if (m.mm.mmUsers[mm] === 0) return;
  if (pages !== m.mm.totalVm[mm]) report('total-vm', `mm ${mm} counts ${m.mm.totalVm[mm]} pages and has ${pages}`);
  if (data !== m.mm.dataVm[mm]) report('data-vm', `mm ${mm} counts ${m.mm.dataVm[mm]} data pages and has ${data}`);
  // MREMAP_DONTUNMAP counts the pages once more and never gives them back, in Linux too: only too few is wrong.
  if (locked > m.mm.lockedVm[mm]) report('locked-vm', `mm ${mm} counts ${m.mm.lockedVm[mm]} locked pages and has ${locked}`);
  const inTree = checkTree(m, m.mm.vmaRoot[mm] as Vma, 0, report);
  if (inTree.count !== count) report('vma-tree', `mm ${mm} has ${count} vmas in its list and ${inTree.count} in its tree`);
}

function checkTree(m: Machine, node: Vma, parent: number, report: Report): { count: number; height: number; gap: number } {
  const v = m.vma;
  if (node === 0) return { count: 0, height: 0, gap: -Infinity };
  const where = `vma at 0x${v.vmStart[node].toString(16)}`;
  const left = checkTree(m, v.left[node] as Vma, node, report);
  const right = checkTree(m, v.right[node] as Vma, node, report);
  const height = Math.max(left.height, right.height) + 1;
  const own = v.vmStart[node] - (v.vmPrev[node] === 0 ? 0 : v.vmEnd[v.vmPrev[node]]);
  const gap = Math.max(own, left.gap, right.gap);
  if (v.parent[node] !== parent) report('vma-tree', `${where} has a wrong parent`);
  if (v.height[node] !== height || Math.abs(left.height - right.height) > 1) report('vma-tree', `${where} is out of balance`);
  if (v.subtreeGap[node] !== gap) report('vma-gap', `${where} says ${v.subtreeGap[node]} and the largest gap below it is ${gap}`);
  if (v.left[node] !== 0 && v.vmStart[v.left[node]] >= v.vmStart[node]) report('vma-tree', `${where} has a higher left child`);
  if (v.right[node] !== 0 && v.vmStart[v.right[node]] <= v.vmStart[node]) report('vma-tree', `${where} has a lower right child`);
  return { count: left.count + right.count + 1, height, gap };
}

/** Every VMA's anon_vma is in its chain, and the counts of each anon_vma are those of the VMAs and chains that exist. */
function checkAnonVmas(m: Machine, report: Report): void {
  const active = new Map<number, number>();
  for (let vma = 1; vma <= poolHighest(m.vmaPool); vma++) {
    if (!poolIsLive(m.vmaPool, vma)) continue;
    const anonVma = m.vma.anonVma[vma];
    if (anonVma !== 0) active.set(anonVma, (active.get(anonVma) ?? 0) + 1);
    let isInChain = anonVma === 0;
    for (let avc = m.vma.anonVmaChain[vma]; avc !== 0; avc = m.avc.sameVma[avc]) {
      if (m.avc.anonVma[avc] === anonVma) isInChain = true;
      if (m.avc.vma[avc] !== vma || !poolIsLive(m.avcPool, avc)) report('anon-vma-chain', `vma ${vma} has a chain of another`);
    }
    if (!isInChain) report('anon-vma-chain', `vma ${vma} is not tied to its own anon_vma ${anonVma}`);
  }
  for (let anonVma = 1; anonVma <= poolHighest(m.anonVmaPool); anonVma++) {
    if (!poolIsLive(m.anonVmaPool, anonVma)) continue;
    const counted = m.anonVma.numActiveVmas[anonVma];
    if (counted !== (active.get(anonVma) ?? 0)) report('anon-vma-active', `anon_vma ${anonVma} counts ${counted} vmas and has ${active.get(anonVma) ?? 0}`);
  }
}

/** Nobody is inside of anything. */
function checkIdle(m: Machine, report: Report): void {
  for (let task = 0; task < m.thread.nrHeld.length; task++) {
    if (m.thread.nrHeld[task] !== 0) report('lock-leak', `thread ${task} holds ${m.thread.nrHeld[task]} locks`);
    if (m.thread.preemptCount[task] !== 0) report('preempt-leak', `thread ${task} is atomic`);
    if (m.thread.rcuNesting[task] !== 0) report('rcu-leak', `thread ${task} is in a read section`);
  }
}
