// The guest against one system call of the process, switched at random at every point. What holds between any two steps:
// an entry's frame is in use. What holds at rest: an entry is what its pte is. The explorer proves what this samples.
import * as image from '@mmun/image';
import { MADV_DONTNEED, PAGE_SIZE, PF_PROT, PF_USER, PF_WRITE, PROT_READ } from '@mmun/include';
import type { InstallEntry, KernelServices, MaySleep, Mm, Pfn, SecondaryMmu, Step, Task, TaskStruct, Vaddr } from '@mmun/include';
import { kvm } from '@mmun/plugin-kvm';
import { gate } from '@mmun/test-support';
import { vm } from './process.js';
import type { Vm } from './process.js';

const on = gate('MMU_NOTIFIER');
const TINY = { nrTasks: 4, nrMms: 3, nrVmas: 8, nrAnonVmas: 8, nrAnonVmaChains: 16, nrFrames: 16, nrTables: 24, nrInodes: 2, nrFiles: 2, nrNotifiers: 2, tlbEntries: 0 };
const SCHEDULES = 200;

type Call = (p: Vm, a: Vaddr) => Task<string, unknown>;
const CALLS: Readonly<Record<string, Call>> = {
  munmap: ({ m }, a) => image.sysMunmap(m, a, PAGE_SIZE),
  mprotect: ({ m }, a) => image.sysMprotect(m, a, PAGE_SIZE, PROT_READ),
  'MADV_DONTNEED': ({ m }, a) => image.sysMadvise(m, a, PAGE_SIZE, MADV_DONTNEED),
  'copy on write': ({ m }, a) => image.doPageFault(m, a, PF_USER | PF_WRITE | PF_PROT),
  exit: ({ m }) => image.sysExit(m),
};

/** The device as its driver drives it: access, on a miss a fault, and once more. */
function* device({ driver, instance }: Vm, a: Vaddr, isWrite: boolean): Task<string> {
  if ((yield* driver.access(instance, a, isWrite)) !== 0) return;
  yield* driver.fault(instance, a, isWrite);
  yield* driver.access(instance, a, isWrite);
}

function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x100000000;
  };
}

/** @returns codes of what went wrong in any of the schedules */
function torture(call: Call, isWrite: boolean, plugin: SecondaryMmu = kvm): Set<string> {
  const found = new Set<string>();
  const p = vm(TINY, plugin);
  const a = p.mmap(1);
  p.touch(a, true);
  if (call === CALLS['copy on write']) p.fork();
  const guest = image.newProcess(p.m);
  const whole = new Uint8Array(p.m.buffer);
  const start = whole.slice();
  const sched = p.m.sched;
  for (let seed = 1; seed <= SCHEDULES && found.size === 0; seed++) {
    whole.set(start);
    p.m.sched = { point: () => true, until: (_kind, where, mask, value) => (p.m.words[where] & mask) !== value, choose: () => 0, touch: () => undefined };
    try {
      interleave(p, [[p.task, call(p, a)], [guest, device(p, a, isWrite)]], numbers(seed));
      for (const { code } of p.audit()) found.add(code);
    } catch (error) {
      found.add((error as { code?: string }).code ?? String(error));
    }
    p.m.sched = sched;
  }
  return found;
}

/** Few switches, anywhere: most bugs need one or two. */
function interleave(p: Vm, threads: [TaskStruct, Task<string, unknown>][], next: () => number): void {
  const alive = next() < 0.5 ? [...threads] : [...threads].reverse();
  let switches = Math.floor(next() * 4);
  for (let turn = 0; alive.length > 0; turn++) {
    if (turn > 1000) throw new Error('nobody gets anywhere');
    const i = turn % alive.length;
    const [task, code] = alive[i];
    for (let run = switches-- > 0 ? Math.floor(next() * LONGEST) : LONGEST; run > 0; run--) {
      image.setCurrent(p.m, task);
      if (code.next().done === true) {
        alive.splice(i, 1);
        break;
      }
      p.driver.audit((_instance, _mm, _address, pfn) => {
        if (!image.isFrameLive(p.m, pfn)) throw Object.assign(new Error(`frame ${pfn}`), { code: 'stale-translation' });
      });
    }
  }
}

/** Steps of a thread, roughly; one that waits for the other gives up its turn after as many. */
const LONGEST = 120;

/** Looks up with a reference, lets the PT lock go, and installs then: what was believed to be right for ten weeks. */
const racy: SecondaryMmu = {
  ...kvm,
  attach: (s: KernelServices) => kvm.attach({
    ...s,
    * withPte(mm: Mm, address: Vaddr, isWrite: boolean, install: InstallEntry, cookie: number): Task<MaySleep, number> {
      const pfn = yield* s.getUserPages(mm, address, isWrite);
      if (pfn < 0) return pfn;
      const result = yield* (install as LateInstall)(cookie, address, pfn as Pfn, isWrite);
      yield* s.putPage(pfn as Pfn);
      return result;
    },
  }),
};
type LateInstall = (...args: Parameters<InstallEntry>) => Task<Step, number>;

describe.each(Object.entries(CALLS))('the guest against %s', (_name, call) => {
  on.it('reading: no entry outlives its pte', () => {
    expect([...torture(call, false)]).toEqual([]);
  });

  on.it('writing: no entry outlives its pte or allows more', () => {
    expect([...torture(call, true)]).toEqual([]);
  });
});

// Exit is not among them: there two switches must fall right, which is for the explorer.
describe.each(['munmap', 'mprotect', 'MADV_DONTNEED', 'copy on write'])('a lookup and an install that are not under one PT lock, against %s', (name) => {
  on.it('leave an entry behind', () => {
    const isWrite = name !== 'copy on write'; // a device that writes breaks the sharing itself
    expect([...torture(CALLS[name], isWrite, racy)].length).toBeGreaterThan(0);
  });
});
