/** The OOM reaper: what it takes, what it leaves, and that it waits for nobody. */
import * as image from '@mmun/image';
import { EAGAIN, MAP_SHARED, PAGE_SIZE, VM_FAULT_SIGBUS } from '@mmun/include';
import type { NotifierOps, Task, UnderPteLock, Vaddr } from '@mmun/include';
import { downWrite, upWrite } from '@mmun/locking';
import { addNotifierOps, mmuNotifierAlloc, mmuNotifierRegister } from '#mmu-notifier';
import { gate } from '@mmun/test-support';
import { world } from './page-world.js';
import type { World } from './page-world.js';

const P = PAGE_SIZE;
const DESIGN = image.config.design;
const on = gate('MMU_NOTIFIER');

interface Victim {
  readonly w: World;
  readonly mm: ReturnType<typeof image.mmOf>;
  /** Two written pages each. */
  readonly anon: Vaddr;
  readonly locked: Vaddr;
  readonly shared: Vaddr;
  readonly copied: Vaddr;
}

function victim(): Victim {
  const w = world({ tlbEntries: 4, settings: { faultAroundBytes: P } });
  const { file } = w.file(4, 'shmem');
  const [anon, locked] = [w.mmap(2), w.mmap(2)];
  const [shared, copied] = [w.mmap(2, { flags: MAP_SHARED, file }), w.mmap(2, { flags: 2, file })];
  for (const at of [anon, locked, shared, copied]) for (let i = 0; i < 2; i++) expect(w.write(at + i * P, 7)).toBe(0);
  w.run(image.sysMlock(w.m, locked, 2 * P));
  return { w, mm: image.mmOf(w.m, w.task), anon, locked, shared, copied };
}

function reap({ w, mm }: Victim): boolean {
  return w.as(image.kernelThread(w.m), () => w.run<boolean>(image.oomReapTaskMm(w.m, mm)));
}

const rss = ({ w }: Victim, ...areas: Vaddr[]): number[] => areas.map((at) => w.row(at).rss);

/** A notifier that refuses to wait as often as `refusals` says. */
function driver({ w, mm }: Victim, log: string[], name: string, refusals = 0): void {
  const ops = {
    * invalidatePage(_mn: number, _mm: number, at: number): Task<UnderPteLock> { log.push(`${name} page 0x${at.toString(16)}`); },
    * invalidateRangeStart(_mn: number, _mm: number, start: number, _end: number, isBlockable: boolean): Task<UnderPteLock, number> {
      log.push(`${name} start 0x${start.toString(16)}${isBlockable ? '' : ', may not wait'}`);
      return !isBlockable && refusals-- > 0 ? -EAGAIN : 0;
    },
    ...(refusals > 0 ? {} : { * invalidateRangeEnd(_mn: number, _mm: number, start: number): Task<UnderPteLock> { log.push(`${name} end 0x${start.toString(16)}`); } }),
  };
  w.run(mmuNotifierRegister(w.m, mmuNotifierAlloc(w.m, addNotifierOps(w.m, ops as unknown as NotifierOps), 1), mm));
}

describe('the OOM reaper', () => {
  it('takes private pages, leaves shared and locked ones, and the dying process reads no zeroes where it had data', () => {
    const v = victim();
    const used = v.w.m.framePool.head.used[0];
    expect(reap(v)).toBe(true);
    expect(rss(v, v.anon, v.locked, v.shared, v.copied)).toEqual([0, 2, 2, 0]);
    expect(used - v.w.m.framePool.head.used[0]).toBe(5); // anon, copied, and the page of the stack
    expect([v.w.fault(v.anon), v.w.fault(v.anon, 4), v.w.fault(v.copied), v.w.fault(v.copied, 4)]).toEqual(Array.from({ length: 4 }, () => VM_FAULT_SIGBUS));
    expect([v.w.read(v.shared), v.w.read(v.locked)]).toEqual([7, 7]);
    expect(image.checkMachine(v.w.m)).toEqual([]);
    v.w.run(image.sysExit(v.w.m));
    expect(image.checkMachine(v.w.m)).toEqual([]);
  });

  gate('CHECKED').it('comes back later where mmap_sem is held for writing', () => {
    const v = victim();
    const mmapSem = image.mmapSemOf(v.w.m, v.mm);
    v.w.run(downWrite(v.w.m, mmapSem));
    expect(reap(v)).toBe(false);
    v.w.run(upWrite(v.w.m, mmapSem));
    expect([rss(v, v.anon), reap(v), rss(v, v.anon)]).toEqual([[2], true, [0]]);
  });

  it('has nothing to do where the address space has ended already', () => {
    const v = victim();
    v.w.run(image.mmgrab(v.w.m, v.mm));
    v.w.run(image.sysExit(v.w.m));
    expect(reap(v)).toBe(true);
    v.w.run(image.mmdrop(v.w.m, v.mm));
    expect(image.checkMachine(v.w.m)).toEqual([]);
  });

  on.it('asks drivers under range and may be refused, VMA by VMA; v5 tells them of each page and asks nobody', () => {
    const v = victim();
    const log: string[] = [];
    driver(v, log, 'sleepy', 1);
    driver(v, log, 'quick');
    const hex = (at: Vaddr): string => `0x${at.toString(16)}`;
    const first = image.procMaps(v.w.m, v.mm).find((row) => row.rss > 0 && [v.anon, v.copied].includes(row.start as Vaddr));
    const refused = first?.start as Vaddr;
    expect(reap(v)).toBe(DESIGN === 'v5');
    if (DESIGN === 'v5') expect(log.filter((line) => line.includes(hex(v.anon)))).toEqual([`quick page ${hex(v.anon)}`, `sleepy page ${hex(v.anon)}`]);
    else {
      const ofFirst = [`quick start ${hex(refused)}, may not wait`, `sleepy start ${hex(refused)}, may not wait`, `quick end ${hex(refused)}`];
      expect(log.filter((line) => line.includes(hex(refused)))).toEqual(ofFirst);
      expect(rss(v, refused)).toEqual([2]);
      expect(reap(v)).toBe(true);
    }
    expect(rss(v, v.anon, v.copied)).toEqual([0, 0]);
    expect(image.checkMachine(v.w.m)).toEqual([]);
  });
});
