// The guest against one system call of the process, with up to two switches at every point where they can be. What holds between any
// two steps: an entry's frame is in use. What holds at rest: an entry is what its pte is. More switches are the explorer's.
import * as image from '@mmun/image';
import { MADV_DONTNEED, PAGE_SIZE, PF_PROT, PF_USER, PF_WRITE, PROT_READ } from '@mmun/include';
import type { InSrcuRead, InstallEntry, KernelServices, MaySleep, Mm, MmuNotifier, Pfn, RangeNotifierOps, Scheduler, SecondaryMmu, Step, Task, TaskStruct, Vaddr } from '@mmun/include';
import { kvm } from '@mmun/plugin-kvm';
import { gate } from '@mmun/test-support';
import { vm } from './process.js';
import type { Vm } from './process.js';

const on = gate('MMU_NOTIFIER');
const TINY = { nrTasks: 4, nrMms: 3, nrVmas: 8, nrAnonVmas: 8, nrAnonVmaChains: 16, nrFrames: 16, nrTables: 24, nrInodes: 2, nrFiles: 2, nrNotifiers: 2, tlbEntries: 0 };
/** More steps than either thread has. */
const LONGEST = 400;

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

/** @returns codes of what went wrong in any schedule with that many switches, 1 or 2 */
function torture(call: Call, isWrite: boolean, plugin: SecondaryMmu = kvm, switches = 1): Set<string> {
  const found = new Set<string>();
  const p = vm(TINY, plugin);
  const a = p.mmap(1);
  p.touch(a, true);
  if (call === CALLS['copy on write']) p.fork();
  const guest = image.newProcess(p.m);
  const whole = new Uint8Array(p.m.buffer);
  const start = whole.slice();
  const { sched } = p.m;
  let isBlocked = false;
  const asked = new Set<TaskStruct>();
  const choosing: Scheduler = {
    point: () => true,
    // a switch before a lock is taken, too: the first answer is to yield
    until: (_kind, where, mask, value) => {
      const task = image.getCurrent(p.m);
      isBlocked = (p.m.words[where] & mask) !== value;
      if (asked.has(task) && !isBlocked) return !asked.delete(task);
      asked.add(task);
      return true;
    },
    choose: () => 0, touch: () => undefined,
  };
  /** @returns which of the two threads had ended before its switch */
  const schedule = (isDeviceFirst: boolean, lengths: readonly number[]): boolean[] => {
    whole.set(start);
    asked.clear();
    p.m.sched = choosing;
    const threads: Thread[] = [{ task: p.task, code: call(p, a), isDone: false }, { task: guest, code: device(p, a, isWrite), isDone: false }];
    if (isDeviceFirst) threads.reverse();
    const ended: boolean[] = [];
    try {
      lengths.forEach((length, i) => ended.push(advance(p, threads[i], length, () => isBlocked)));
      while (threads.some(({ isDone }) => !isDone)) {
        for (const thread of lengths.length === 1 ? [threads[1], threads[0]] : threads) advance(p, thread, LONGEST, () => isBlocked);
      }
      for (const { code } of p.audit()) found.add(code);
    } catch (error) {
      found.add((error as { code?: string }).code ?? String(error));
    }
    p.m.sched = sched;
    return ended;
  };
  for (const isDeviceFirst of [true, false]) {
    for (let one = 0; one < LONGEST; one++) {
      if (switches === 1 && schedule(isDeviceFirst, [one])[0]) break;
      if (switches === 1) continue;
      let ended: boolean[] = [];
      for (let two = 1; two < LONGEST && !ended.includes(true); two++) ended = schedule(isDeviceFirst, [one, two]);
      if (ended[0]) break;
    }
  }
  return found;
}

interface Thread {
  readonly task: TaskStruct;
  readonly code: Task<string, unknown>;
  isDone: boolean;
}

/** Runs a thread for so many steps, until it waits for the other, or to its end. @returns whether it is at its end */
function advance(p: Vm, thread: Thread, steps: number, isBlocked: () => boolean): boolean {
  for (let i = 0; i < steps && !thread.isDone; i++) {
    image.setCurrent(p.m, thread.task);
    const { done } = thread.code.next();
    thread.isDone = done === true;
    p.driver.audit((_instance, _mm, _address, pfn) => {
      if (!image.isFrameLive(p.m, pfn)) throw Object.assign(new Error(`frame ${pfn}`), { code: 'stale-translation' });
    });
    if (!thread.isDone && isBlocked()) break;
  }
  return thread.isDone;
}

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

/** Sees every range and tells nobody: what a driver is that took start for the only call it needs. */
const forgetful: SecondaryMmu = {
  ...kvm,
  attach: (s: KernelServices) => {
    const driver = kvm.attach(s);
    const row = s.table('kvm', { mmuNotifierCount: 'u32', mmuNotifierSeq: 'u32' });
    const { invalidateRangeStart, ...ops } = driver.ops as RangeNotifierOps;
    return { ...driver, ops: {
      ...ops,
      * invalidateRangeStart(mn: MmuNotifier, mm: Mm, start: Vaddr, end: Vaddr, isBlockable: boolean): Task<InSrcuRead> {
        yield* (invalidateRangeStart as NonNullable<typeof invalidateRangeStart>)(mn, mm, start, end, isBlockable);
        row.mmuNotifierCount[s.notifierInstance(mn)] -= 1;
      },
      * invalidateRangeEnd(): Task<InSrcuRead> {
        // nop
      },
    } };
  },
};

/** Against exit the wrong protocol needs a second switch; so the right one is shown to stand that many. */
const switchesFor = (name: string): number => (name === 'exit' ? 2 : 1);

describe.each(Object.entries(CALLS))('the guest against %s', (name, call) => {
  on.it('reading: no entry outlives its pte', () => {
    expect([...torture(call, false, kvm, switchesFor(name))]).toEqual([]);
  });

  on.it('writing: no entry outlives its pte or allows more', () => {
    expect([...torture(call, true, kvm, switchesFor(name))]).toEqual([]);
  });
});

describe.each(Object.entries(CALLS))('a lookup and an install that are not under one PT lock, against %s', (name, call) => {
  gate('NOTIFIER_V5').it('leave an entry behind', () => {
    const isWrite = name !== 'copy on write'; // a device that writes breaks the sharing itself
    expect([...torture(call, isWrite, racy, switchesFor(name))].length).toBeGreaterThan(0);
  });
});

describe.each(Object.entries(CALLS).filter(([name]) => name !== 'exit'))('a driver that keeps neither count nor sequence, against %s', (name, call) => {
  gate('NOTIFIER_RANGE').it('leaves an entry behind', () => {
    expect([...torture(call, name !== 'copy on write', forgetful)].length).toBeGreaterThan(0);
  });
});
