// No kernel file: the checks of bad_page(), check_mm() and page_table_check.c in one walk.
/** Walks every page table and the page cache and compares all counts with what was found. At quiescence; it allocates. */
import { PAGE_SIZE } from '@mmun/include';
import type { Finding, Mm, Pfn, Pmdp, Ptep, Vaddr, Vma } from '@mmun/include';
import { poolHighest, poolIsLive, poolUsed } from '@mmun/lib';
import {
  PGDIR_SIZE, PMD_SIZE, PTRS_PER_PMD, PTRS_PER_PTE, PTRS_PER_PUD, PUD_SIZE, TASK_SIZE, hugePteOffset, pgdNone, pgdOffset, pgdPage, pmdHuge, pmdNone, pmdOffset, pmdPage,
  pteHuge, pteOffset, pteToSwpEntry, pteWrite, ptepGet, ptepNone, ptepPfn, ptepPresent, pudNone, pudOffset, pudPage,
} from '#asm';
import { checkHugeEntry, checkHugePages } from './check-hugetlb.js';
import { isHugeFrame } from './hugetlb-pool.js';
import type { Machine } from './mm-types.js';
import { MM_SWAPENTS, PG_ANON_EXCLUSIVE, PG_RESERVED, PG_SWAPCACHE, mmCounter, pageIsAnon, vmNormalPage } from './page-flags.js';
import { checkSwap } from './check-rmap.js';
import { findVma } from './vma-tree.js';
import { isGuardPte } from './swapops.js';

type Report = (code: string, message: string) => void;

/** What a walk has counted so far. */
interface Counted {
  /** Ptes and page-cache links by frame. */
  readonly mapped: Int32Array;
  readonly cached: Int32Array;
  /** Entries of secondary MMUs, each of which may hold a reference. */
  readonly followed: Int32Array;
  /** Swap entries in ptes, by slot. */
  readonly swapped: Int32Array;
  /** Table pages, and how often an entry above led there. */
  readonly tables: Map<Pfn, number>;
}

/** @returns empty where mapcounts, references, rss, table counts and the cache agree with the tables */
export function checkPages(m: Machine): Finding[] {
  const found: Finding[] = [];
  const report: Report = (code, message) => found.push({ code, message, replay: '', steps: [] });
  const { nrFrames } = m.bootConfig;
  const perFrame = (): Int32Array => new Int32Array(nrFrames + 1);
  const counted: Counted = { mapped: perFrame(), cached: perFrame(), followed: perFrame(), swapped: new Int32Array(m.bootConfig.nrSwapSlots + 1), tables: new Map() };
  for (const { driver } of m.secondaries) driver.audit((_instance, _mm, _address, pfn) => { counted.followed[pfn]++; });
  for (let mm = 1; mm <= poolHighest(m.mmPool); mm++) if (poolIsLive(m.mmPool, mm)) checkMmPages(m, mm as Mm, counted, report);
  const { tables } = counted;
  if (tables.size !== poolUsed(m.tablePool)) report('table-leak', `${poolUsed(m.tablePool)} table pages are in use and ${tables.size} are reached`);
  for (const [table, nr] of tables) if (m.page.refcount[table] !== nr) report('table-refcount', `table ${table} has ${m.page.refcount[table]} references and ${nr} entries lead there`);
  checkPageCache(m, counted, report);
  checkSwap(m, counted.swapped, report);
  checkHugePages(m, counted, report);
  for (let pfn = 1; pfn <= poolHighest(m.framePool); pfn++) if (!isHugeFrame(m, pfn as Pfn)) checkFrame(m, pfn as Pfn, counted, report);
  return found;
}

function checkMmPages(m: Machine, mm: Mm, counted: Counted, report: Report): void {
  if (m.mm.pgd[mm] === 0) return;
  const rss = [0, 0, 0, 0];
  let nrTables = 1;
  isFirstSight(counted, m.mm.pgd[mm] as Pfn);
  for (let pgd = 0; pgd < TASK_SIZE; pgd += PGDIR_SIZE) {
    const pgdp = pgdOffset(m, mm, pgd as Vaddr);
    if (pgdNone(m, pgdp)) continue;
    if (PTRS_PER_PUD > 1) {
      nrTables++;
      isFirstSight(counted, pgdPage(m, pgdp));
    }
    for (let pud = pgd; pud < pgd + PTRS_PER_PUD * PUD_SIZE; pud += PUD_SIZE) {
      const pudp = pudOffset(m, pgdp, pud as Vaddr);
      if (pudNone(m, pudp)) continue;
      if (PTRS_PER_PMD > 1) nrTables++;
      const isOwn = PTRS_PER_PMD === 1 || isFirstSight(counted, pudPage(m, pudp));
      for (let pmd = pud; pmd < pud + PTRS_PER_PMD * PMD_SIZE; pmd += PMD_SIZE) {
        const pmdp = pmdOffset(m, pudp, pmd as Vaddr);
        if (pmdNone(m, pmdp)) continue;
        const huge = hugePteOffset(m, pmdp, pmd as Vaddr);
        if ((huge as number) === pmdp && pmdHuge(m, pmdp)) {
          checkHugeEntry(m, mm, huge, pmd as Vaddr, isOwn ? counted : null, report);
          continue;
        }
        nrTables++;
        checkTable(m, mm, pmdp, pmd as Vaddr, counted, rss, report);
      }
    }
  }
  if (nrTables !== m.mm.nrPgtables[mm]) report('nr-pgtables', `mm ${mm} counts ${m.mm.nrPgtables[mm]} table pages and has ${nrTables}`);
  const counters = [m.mm.rssFile[mm], m.mm.rssAnon[mm], m.mm.rssShmem[mm], m.mm.nrSwapents[mm]];
  const names = ['file', 'anonymous', 'shmem', 'swapped'];
  for (let i = 0; i < rss.length; i++) {
    if (rss[i] !== counters[i]) report('bad-rss-counter', `mm ${mm} counts ${counters[i]} ${names[i]} pages and maps ${rss[i]}`);
  }
}

function checkTable(m: Machine, mm: Mm, pmdp: Pmdp, start: Vaddr, counted: Counted, rss: number[], report: Report): void {
  let vma = 0 as Vma;
  const isOwn = isFirstSight(counted, pmdPage(m, pmdp));
  for (let i = 0; i < PTRS_PER_PTE; i++) {
    const address = (start + i * PAGE_SIZE) as Vaddr;
    const ptep: Ptep = pteOffset(m, pmdp, address);
    if (ptepNone(m, ptep)) continue;
    if (pmdHuge(m, pmdp) && hugePteOffset(m, pmdp, address) === ptep && pteHuge(ptepGet(m, ptep))) {
      checkHugeEntry(m, mm, ptep, address, isOwn ? counted : null, report);
      continue;
    }
    const where = `mm ${mm}, 0x${address.toString(16)}`;
    if (vma === 0 || m.vma.vmEnd[vma] <= address) vma = findVma(m, mm, address);
    if (vma === 0 || m.vma.vmStart[vma] > address) {
      report('pte-without-vma', `${where}: a pte that no vma covers`);
      continue;
    }
    if (!ptepPresent(m, ptep)) {
      if (isGuardPte(ptepGet(m, ptep))) continue;
      const slot = pteToSwpEntry(ptepGet(m, ptep));
      if (slot === 0 || slot > m.bootConfig.nrSwapSlots || !poolIsLive(m.swapPool, slot)) report('bad-pte', `${where}: neither none nor present, nor an entry of a slot in use`);
      else {
        counted.swapped[slot]++;
        rss[MM_SWAPENTS]++;
      }
      continue;
    }
    const pfn = vmNormalPage(m, vma, ptepPfn(m, ptep));
    if (pfn === 0) continue;
    if (pfn > m.bootConfig.nrFrames || !poolIsLive(m.framePool, pfn)) {
      report('pte-maps-free-frame', `${where}: frame ${pfn} is not in use`);
      continue;
    }
    counted.mapped[pfn]++;
    rss[mmCounter(m, pfn)]++;
    if (pageIsAnon(m, pfn) && pteWrite(ptepGet(m, ptep)) && (m.page.flags[pfn] & PG_ANON_EXCLUSIVE) === 0) {
      report('anon-writable-shared', `${where}: frame ${pfn} can be written and is not exclusive`);
    }
  }
}

/** Counts the table. @returns whether it was not counted before: a shared one maps its pages once */
function isFirstSight({ tables }: Counted, table: Pfn): boolean {
  const nr = tables.get(table) ?? 0;
  tables.set(table, nr + 1);
  return nr === 0;
}

function checkPageCache(m: Machine, counted: Counted, report: Report): void {
  const perInode = new Map<number, number>();
  for (const head of m.pageHash) {
    for (let pfn = head; pfn !== 0; pfn = m.page.hashNext[pfn]) {
      const inode = m.page.mapping[pfn] >>> 1;
      if (counted.cached[pfn]++ > 0) {
        report('page-cache-loop', `frame ${pfn} is in the page cache twice`);
        break;
      }
      if (!poolIsLive(m.inodePool, inode)) report('page-cache-dead-inode', `frame ${pfn} belongs to inode ${inode}, which is free`);
      perInode.set(inode, (perInode.get(inode) ?? 0) + 1);
    }
  }
  for (let inode = 1; inode <= poolHighest(m.inodePool); inode++) {
    const nr = perInode.get(inode) ?? 0;
    if (poolIsLive(m.inodePool, inode) && m.inode.nrPages[inode] !== nr) report('inode-nrpages', `inode ${inode} counts ${m.inode.nrPages[inode]} pages and has ${nr}`);
  }
}

/** References are those of ptes, of the cache and of secondary entries; at rest nobody else has any. */
function checkFrame(m: Machine, pfn: Pfn, counted: Counted, report: Report): void {
  const { refcount, mapcount, flags } = m.page;
  if ((flags[pfn] & PG_RESERVED) !== 0) return;
  const isLive = poolIsLive(m.framePool, pfn);
  const mapped = counted.mapped[pfn];
  const cached = counted.cached[pfn] + ((flags[pfn] & PG_SWAPCACHE) !== 0 ? 1 : 0);
  if (!isLive) {
    if (refcount[pfn] !== 0) report('free-frame-referenced', `frame ${pfn} is free and has ${refcount[pfn]} references`);
    return;
  }
  if (mapcount[pfn] !== mapped) report('bad-mapcount', `frame ${pfn} counts ${mapcount[pfn]} mappings and has ${mapped}`);
  if (refcount[pfn] < mapped + cached) report('refcount-low', `frame ${pfn} has ${refcount[pfn]} references and needs ${mapped + cached}`);
  const followed = counted.followed[pfn];
  if (refcount[pfn] > mapped + cached + followed) {
    report('refcount-leak', `frame ${pfn} has ${refcount[pfn]} references; ${mapped} mappings, ${cached} of the page cache and ${followed} secondary entries explain the others not`);
  }
}
