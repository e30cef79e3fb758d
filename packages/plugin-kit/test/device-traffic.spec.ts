import * as image from '@mmun/image';
import { MADV_DONTNEED, MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PAGE_SIZE, PF_USER, PF_WRITE, PROT_READ, PROT_WRITE } from '@mmun/include';
import type { File, SecondaryMmu, TaskStruct, Vaddr } from '@mmun/include';
import { DeviceTraffic, auditSecondary } from '@mmun/plugin-kit';
import type { DeviceTrafficOptions } from '@mmun/plugin-kit';
import { gate } from '@mmun/test-support';
import { sample } from './sample-mmu.js';
import type { Flaws } from './sample-mmu.js';

/** The sample knows no other design. */
const on = gate('NOTIFIER_V5');
const A = 0x20000000 as Vaddr;
const PAGES = 8;
const SMALL = { nrTasks: 16, nrMms: 8, nrVmas: 64, nrAnonVmas: 64, nrAnonVmaChains: 128, nrFrames: 256, nrTables: 64, nrInodes: 16, nrFiles: 16, nrNotifiers: 4 };

/** A process with eight writable pages, and devices at work in it. */
function running(plugin: SecondaryMmu, options: Partial<DeviceTrafficOptions> = {}) {
  const m = image.boot({ ...image.defaultConfig, ...SMALL }, [plugin]);
  const traffic = new DeviceTraffic(image, m, { plugins: [plugin], rate: 20, seed: 7, ...options });
  const task = image.newProcess(m);
  image.setCurrent(m, task);
  const mmap = (prot: number): void => {
    image.run(m, image.sysMmap(m, A, PAGES * PAGE_SIZE, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, 0 as File, 0));
    traffic.afterEvent(task, null);
  };
  const touchAll = (): void => {
    for (let i = 0; i < PAGES; i++) {
      const address = (A + i * PAGE_SIZE) as Vaddr;
      image.run(m, image.doPageFault(m, address, PF_USER | PF_WRITE));
      traffic.afterEvent(task, { address });
    }
  };
  mmap(PROT_READ | PROT_WRITE);
  touchAll();
  const codes = (): string[] => [...new Set(traffic.findings.map(({ code }) => code))].sort();
  return { m, task, traffic, mmap, touchAll, codes };
}

/** Unmaps, refaults, protects and forks, with accesses in between. */
function busy(flaws: Flaws, options: Partial<DeviceTrafficOptions> = {}): ReturnType<typeof running> {
  const p = running(sample(flaws), options);
  const { m, task, traffic } = p;
  image.run(m, image.sysMadvise(m, A, 4 * PAGE_SIZE, MADV_DONTNEED));
  traffic.afterEvent(task, null);
  p.touchAll();
  image.run(m, image.sysMprotect(m, A, PAGES * PAGE_SIZE, PROT_READ));
  traffic.afterEvent(task, null);
  image.run(m, image.sysMunmap(m, A, PAGES * PAGE_SIZE));
  traffic.afterEvent(task, null);
  p.mmap(PROT_READ | PROT_WRITE);
  p.touchAll();
  return p;
}

describe('device traffic', () => {
  on.it('finds nothing with a plugin that does what it owes', () => {
    const p = busy({}, { writes: 'writable areas' });
    p.traffic.finish();
    expect(p.traffic.findings).toEqual([]);
    expect(p.traffic.report()[0].invalidations).toBeGreaterThan(8);
  });

  on.it('convicts one that does not hear invalidatePage', () => {
    expect(busy({ deaf: ['invalidatePage'] }).codes()).toEqual(['incoherent', 'stale-translation']);
  });

  on.it('convicts one that does not hear invalidatePages, where a device uses the permission', () => {
    const p = running(sample({ deaf: ['invalidatePages'] }), { writes: 'writable areas' });
    image.run(p.m, image.sysMprotect(p.m, A, PAGES * PAGE_SIZE, PROT_READ));
    expect(auditSecondary(image, p.m).map(({ code }) => code)).toContain('excess-permission');
  });

  on.it('convicts one that lets its device write more than the process may', () => {
    const p = running(sample({ isGenerous: true }), { writes: 'writable areas' });
    image.run(p.m, image.sysMadvise(p.m, A, PAGES * PAGE_SIZE, MADV_DONTNEED));
    for (let i = 0; i < 8; i++) p.traffic.afterEvent(p.task, null);
    expect(p.codes()).toEqual(['excess-permission']);
  });

  on.it('counts what v5 leaves behind at a fork, and holds it against nobody who did not use it', () => {
    const p = running(sample());
    image.run(p.m, image.sysClone(p.m, 0));
    p.traffic.finish();
    expect(p.traffic.findings).toEqual([]);
    expect(p.traffic.latent).toBeGreaterThan(0);
  });

  on.it('convicts v5 of fork where devices write wherever the VMA allows it', () => {
    const p = running(sample(), { writes: 'writable areas' });
    image.run(p.m, image.sysClone(p.m, 0));
    p.traffic.afterEvent(p.task, null);
    expect(p.codes()).toEqual(['excess-permission']);
  });

  on.it('changes nothing in the process: the same pages are there with and without', () => {
    const [with20, without] = [20, 0].map((rate) => {
      const { m, task } = busy({}, { rate });
      return image.procMaps(m, image.mmOf(m, task));
    });
    expect(with20.map(({ start, anonymous }) => [start, anonymous])).toEqual(without.map(({ start, anonymous }) => [start, anonymous]));
  });

  on.it('is the same for the same seed, and another for another', () => {
    const [a, b, c] = [1, 1, 2].map((seed) => new Uint8Array(busy({}, { seed }).m.buffer));
    expect(Buffer.compare(a, b)).toBe(0);
    expect(Buffer.compare(a, c)).not.toBe(0);
  });

  on.it('goes on where entries or instances run out, and says how often', () => {
    const p = busy({ entries: 3 });
    expect(p.traffic.full).toBeGreaterThan(0);
    p.traffic.afterEvent(image.newProcess(p.m), null);
    expect(p.codes()).toEqual([]);
  });

  on.it('closes the instance of a process that has ended', () => {
    const p = busy({});
    image.run(p.m, image.sysExit(p.m));
    const other: TaskStruct = image.newProcess(p.m);
    for (let i = 0; i < 64; i++) p.traffic.afterEvent(0 as TaskStruct, null);
    const before = p.traffic.full;
    p.traffic.afterEvent(other, null);
    expect(p.traffic.full).toBe(before);
  });
});

describe('attaching', () => {
  on.it('is refused to a plugin that boot was not told of', () => {
    const m = image.boot({ ...image.defaultConfig, ...SMALL });
    expect(() => image.attachSecondaryMmu(m, sample() as never)).toThrow(expect.objectContaining({ code: 'secondary-mmu-not-booted' }));
  });

  on.it('is refused to a plugin that does not bring an op which it promises', () => {
    const plugin = sample({ isHollow: true });
    const m = image.boot({ ...image.defaultConfig, ...SMALL }, [plugin]);
    expect(() => image.attachSecondaryMmu(m, plugin as never)).toThrow('plugin `sample` promises invalidatePages under v5 and does not bring it');
  });

  it('is refused to a plugin that does not know the design', () => {
    const why = 'its recall waits for messages';
    const plugin: SecondaryMmu = { ...sample(), designs: {}, whyNot: { v5: why, range: why, off: why } };
    const m = image.boot({ ...image.defaultConfig, ...SMALL }, [plugin]);
    expect(() => image.attachSecondaryMmu(m, plugin as never)).toThrow(expect.objectContaining({ code: 'secondary-mmu-refused' }));
    expect(image.secondaryMmuRefusal(plugin)).toBe(`plugin \`sample\` does not know notifier design \`${image.config.design}\`: it has ops for no design; ${why}`);
    expect(image.secondaryMmuRefusal({ ...plugin, whyNot: {} })).toMatch(/no design$/);
  });
});
