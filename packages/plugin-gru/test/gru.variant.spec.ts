import * as image from '@mmun/image';
import { CLONE_VM, EFAULT, ESRCH, MADV_DONTNEED, MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PAGE_SIZE, PF_PROT, PF_USER, PF_WRITE, PROT_NONE, PROT_READ, PROT_WRITE } from '@mmun/include';
import type { Design, File, Finding, MachineConfig, Mm, Pfn, SecondaryMmu, TaskStruct, Vaddr } from '@mmun/include';
import { gru, gruWith } from '@mmun/plugin-gru';
import type { GruDriver } from '@mmun/plugin-gru';
import { DeviceTraffic, auditSecondary } from '@mmun/plugin-kit';
import { kvm, kvmWith } from '@mmun/plugin-kvm';
import { gate } from '@mmun/test-support';
import { cchDeallocate, cchStart, gruMiss, tfhRead, tfhWriteRestart } from '../src/gruhandles.js';
import { gtsOf } from '../src/grutables.js';
import type { Gru } from '../src/grutables.js';

const on = gate('MMU_NOTIFIER');
const A = 0x20000000 as Vaddr;
const RW = PROT_READ | PROT_WRITE;
const SMALL: Partial<MachineConfig> = {
  nrTasks: 24, nrMms: 16, nrVmas: 96, nrAnonVmas: 96, nrAnonVmaChains: 192, nrFrames: 256, nrTables: 96, nrInodes: 4, nrFiles: 4, nrNotifiers: 24,
};
const page = (i: number): Vaddr => (A + i * PAGE_SIZE) as Vaddr;

/** A process with `pages` pages that it has written, and a context that follows it. */
function process(pages = 4, plugin: SecondaryMmu = gru) {
  const m = image.boot({ ...image.defaultConfig, ...SMALL }, [plugin]);
  const driver = image.attachSecondaryMmu(m, plugin as never) as GruDriver;
  const task = image.newProcess(m);
  image.setCurrent(m, task);
  const map = (prot: number): void => void image.run(m, image.sysMmap(m, A, pages * PAGE_SIZE, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0 as File, 0));
  const touch = (i: number): void => void image.run(m, image.doPageFault(m, page(i), PF_USER | PF_WRITE));
  map(RW);
  for (let i = 0; i < pages; i++) touch(i);
  const mm = image.mmOf(m, task);
  const open = (of: Mm = mm): number => image.run(m, driver.create(of));
  const instance = open();
  const hit = (i: number, isWrite: boolean, by = instance): number => image.run(m, driver.access(by, page(i), isWrite));
  const access = (i: number, isWrite: boolean, by = instance): number => {
    const first = hit(i, isWrite, by);
    const error = first === 0 ? image.run(m, driver.fault(by, page(i), isWrite)) : 0;
    return first !== 0 ? first : error !== 0 ? error : hit(i, isWrite, by);
  };
  const frame = (i: number): number => Math.floor(image.primaryTranslation(m, mm, page(i)) / 2);
  const codes = (): string[] => auditSecondary(image, m).map(({ code }: Finding) => code);
  return { m, driver, task, mm, instance, map, touch, open, hit, access, frame, codes };
}

describe('a miss', () => {
  on.it('is filled with the frame of the process, for what was asked, and takes no reference', () => {
    const p = process();
    const count = p.m.page.refcount[p.frame(0)];
    expect(p.access(0, false)).toBe(p.frame(0));
    expect(p.hit(0, true)).toBe(0); // a write is another miss, that must find the pte dirty
    expect(p.access(0, true)).toBe(p.frame(0));
    expect(p.m.page.refcount[p.frame(0)]).toBe(count);
    expect(p.driver.counters()).toEqual({ faults: 2, accesses: 5, hits: 2, invalidations: 0, pins: 0 });
    expect(p.codes()).toEqual([]);
  });

  on.it('fills nothing once its context was unloaded, whoever runs there by now under the same ASID', () => {
    const p = process();
    p.access(0, false);
    const g = p.driver.own as unknown as Gru;
    const gts = gtsOf(g, p.instance);
    const cch = g.gts.place[gts] - 1;
    const asid = g.cch.asid[cch];
    const tfh = image.run(p.m, gruMiss(g, gts, page(1), false));
    expect(tfh).toBeGreaterThanOrEqual(0);
    image.run(p.m, cchDeallocate(g, cch));
    image.run(p.m, cchStart(g, cch, gts, asid));
    expect(image.run(p.m, tfhRead(g, tfh))).toBe(0);
    image.run(p.m, tfhWriteRestart(g, { tfh, pfn: p.frame(1) as Pfn, isWritable: false }));
    expect([p.hit(0, false), p.hit(1, false)]).toEqual([p.frame(0), 0]);
  });

  on.it('brings a page in where the process has not been, in the interrupt or by asking', () => {
    for (const plugin of [gru, gruWith({ mode: 'polling' })]) {
      const p = process(2, plugin);
      image.run(p.m, image.sysMadvise(p.m, A, PAGE_SIZE, MADV_DONTNEED));
      expect(p.access(0, true)).toBe(p.frame(0));
      expect(p.frame(0)).toBeGreaterThan(0);
    }
  });

  on.it('is refused where the process has no access either', () => {
    const p = process();
    p.map(PROT_READ);
    expect([p.access(0, false) > 0, p.access(0, true), p.access(9, false)]).toEqual([true, -EFAULT, -EFAULT]);
    p.map(PROT_NONE);
    expect(p.access(0, false)).toBe(-EFAULT);
  });

  on.it('is refused after the process, and its contexts can still be closed', () => {
    const p = process();
    const second = p.open();
    p.access(0, true);
    p.access(1, true, second);
    image.run(p.m, image.sysExit(p.m));
    expect([p.access(0, false), p.access(1, false, second), p.codes()]).toEqual([-ESRCH, -ESRCH, []]);
    for (const instance of [p.instance, second]) image.run(p.m, p.driver.destroy(instance));
    expect(p.m.mm.mmCount[p.mm]).toBe(0);
  });
});

describe('contexts', () => {
  on.it('of one process share its entries and one notifier', () => {
    const p = process();
    const second = p.open();
    p.access(0, false);
    expect(image.run(p.m, p.driver.fault(second, page(0), false))).toBe(0);
    expect(p.hit(0, false, second)).toBe(p.frame(0));
    image.run(p.m, image.sysMunmap(p.m, A, PAGE_SIZE));
    expect(p.driver.counters().invalidations).toBe(1);
    expect([p.hit(0, false), p.hit(0, false, second)]).toEqual([0, 0]);
  });

  on.it('that outnumber the handles take turns, and none reaches the pages of another', () => {
    const p = process(2);
    const children = Array.from({ length: 12 }, () => image.mmOf(p.m, image.run(p.m, image.sysClone(p.m, 0)) as TaskStruct));
    const instances = children.map((mm) => p.open(mm));
    expect(instances.every((instance) => instance > 0)).toBe(true);
    image.run(p.m, image.doPageFault(p.m, page(0), PF_USER | PF_WRITE | PF_PROT));
    for (let round = 0; round < 4; round++) {
      expect(p.access(0, false)).toBe(p.frame(0));
      for (const instance of instances) expect(p.access(0, false, instance)).not.toBe(p.frame(0));
      expect(p.codes()).toEqual([]);
    }
  });

  on.it('come and go past the last ASID, and no entry of the first round is met again', () => {
    const p = process(2);
    for (let i = 0; i < 40; i++) {
      const child = image.run(p.m, image.sysClone(p.m, 0)) as TaskStruct;
      const instance = p.open(image.mmOf(p.m, child));
      expect(p.access(0, false, instance)).toBe(p.frame(0));
      image.setCurrent(p.m, child);
      image.run(p.m, image.doPageFault(p.m, page(0), PF_USER | PF_WRITE | PF_PROT));
      expect(p.access(0, false, instance)).not.toBe(p.frame(0));
      image.run(p.m, image.sysExit(p.m));
      image.setCurrent(p.m, p.task);
      image.run(p.m, p.driver.destroy(instance));
      expect(p.access(0, false)).toBe(p.frame(0));
    }
    expect(p.codes()).toEqual([]);
  });
});

describe('an invalidate', () => {
  on.it('names no more pages than it can, and a range takes as many as it takes', () => {
    const p = process(8, gruWith({ maxInval: 2, atMaxInval: 'pages' }));
    for (let i = 0; i < 8; i++) p.access(i, false);
    image.run(p.m, image.sysMprotect(p.m, A, 7 * PAGE_SIZE, PROT_NONE));
    expect(Array.from({ length: 8 }, (_, i) => p.hit(i, false) > 0)).toEqual([false, false, false, false, false, false, false, true]);
  });

  on.it('where it takes all at its cap drops more than the range, once', () => {
    const p = process(8, gruWith({ maxInval: 2, atMaxInval: 'all' }));
    for (let i = 0; i < 8; i++) p.access(i, false);
    image.run(p.m, image.sysMprotect(p.m, A, 3 * PAGE_SIZE, PROT_NONE));
    expect(Array.from({ length: 8 }, (_, i) => p.hit(i, false))).toEqual(new Array(8).fill(0));
    expect(p.driver.counters().invalidations).toBe(8);
  });

  on.it('that the process asks for drops its length and no more', () => {
    const p = process(4);
    for (let i = 0; i < 4; i++) p.access(i, false);
    image.run(p.m, p.driver.userFlush(p.instance, page(1), 2 * PAGE_SIZE));
    expect([0, 1, 2, 3].map((i) => p.hit(i, false) > 0)).toEqual([true, false, false, true]);
    expect(p.driver.counters().invalidations).toBe(0);
  });
});

describe('several machines and several contexts on one process', () => {
  on.it('all see what it sees, whatever it does', () => {
    const plugins = [kvm, kvmWith({ protocol: 'pinned' }), gru, gruWith({ mode: 'polling' })];
    const m = image.boot({ ...image.defaultConfig, ...SMALL }, plugins);
    const traffic = new DeviceTraffic(image, m, { plugins, rate: 8, seed: 3, instances: 2, writes: (image.config.design as Design) === 'range' ? 'writable areas' : 'writable pages' });
    const task = image.newProcess(m);
    const thread = (): TaskStruct => image.run(m, image.sysClone(m, CLONE_VM)) as TaskStruct;
    image.setCurrent(m, task);
    const tasks = [task, thread()];
    for (let round = 0; round < 60; round++) {
      const at = tasks[round % tasks.length] as TaskStruct;
      image.setCurrent(m, at);
      if (round % 5 === 0) image.run(m, image.sysMmap(m, A, 8 * PAGE_SIZE, RW, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0 as File, 0));
      if (round % 7 === 3) image.run(m, image.sysMadvise(m, page(2), 3 * PAGE_SIZE, MADV_DONTNEED));
      if (round % 11 === 5) image.run(m, image.sysMprotect(m, page(1), 4 * PAGE_SIZE, round % 2 === 0 ? PROT_READ : RW));
      if (round % 13 === 6) tasks.push(image.run(m, image.sysClone(m, 0)) as TaskStruct);
      const address = page(round % 8);
      image.run(m, image.doPageFault(m, address, PF_USER | (round % 3 === 0 ? 0 : PF_WRITE)));
      traffic.afterEvent(at, { address });
    }
    for (const each of tasks.slice(1)) {
      image.setCurrent(m, each);
      image.run(m, image.sysExit(m));
      traffic.afterEvent(task, null);
    }
    traffic.finish();
    expect(traffic.findings).toEqual([]);
    const report = traffic.report();
    expect(report.map(({ plugin }) => plugin)).toEqual(['kvm', 'kvm:pinned', 'gru', 'gru:polling']);
    for (const { plugin, faults, hits, invalidations, pins } of report) {
      expect([plugin, faults > 50, hits > 50, invalidations > 10, pins > 0]).toEqual([plugin, true, true, true, plugin === 'kvm:pinned']);
    }
    expect(image.checkMachine(m)).toEqual([]);
  });
});
