/** A device as a race plays it: it accesses, on a miss its driver faults, and it tries again. */
import { READ } from '@mmun/include';
import type { MaySleep, Mm, Pfn, SecondaryDriver, Step, Task, Vaddr } from '@mmun/include';
import { Violation, isSettled, livelock, playedBy, spaceOfInstance } from '@mmun/oracle';
import type { RaceContext } from './race-context.js';

/** Faults of one access before the device lets it be, or before it is asked why. */
const MAX_FAULTS = 2;

export class RaceDevice {
  /** The instance that follows the first process; 0 where the race opens its own. */
  readonly instance: number;
  private readonly t: RaceContext;
  private readonly attached: SecondaryDriver | null;
  private readonly index: number;

  constructor(t: RaceContext, driver: SecondaryDriver | null, index: number, instance: number) {
    this.instance = instance;
    this.t = t;
    this.attached = driver;
    this.index = index;
  }

  get driver(): SecondaryDriver {
    if (this.attached === null) throw new TypeError('this race has no device: name a `plugin` in its variants');
    return this.attached;
  }

  /** Starts to follow an address space; the first process's is followed from the beginning. @returns an instance, or a negative errno */
  open(mm: Mm = this.t.mm): Task<MaySleep, number> {
    return this.driver.create(mm);
  }

  close(instance: number = this.instance): Task<MaySleep> {
    return this.driver.destroy(instance);
  }

  /** Reads the word at `address`. @returns the frame it reached, 0 where it got none */
  read(address: Vaddr, instance: number = this.instance): Task<MaySleep, Pfn> {
    return this.reach(address, false, instance);
  }

  /** Adds one to the word at `address`. @returns as read */
  write(address: Vaddr, instance: number = this.instance): Task<MaySleep, Pfn> {
    return this.reach(address, true, instance);
  }

  /** One access with the entries that there are. @returns the frame, 0 on a miss */
  access(address: Vaddr, isWrite: boolean, instance: number = this.instance): Task<Step, Pfn> {
    return this.driver.access(instance, address, isWrite);
  }

  /** A method that only this driver has: what it accesses, it accesses as an instance. */
  own<R>(task: Task<MaySleep, R>, instance: number = this.instance): Task<MaySleep, R> {
    return playedBy(this.t.m, instance, () => task);
  }

  /** Only the fault. @returns as SecondaryDriver.fault */
  fault(address: Vaddr, isWrite: boolean, instance: number = this.instance): Task<MaySleep, number> {
    return this.driver.fault(instance, address, isWrite);
  }

  private* reach(address: Vaddr, isWrite: boolean, instance: number): Task<MaySleep, Pfn> {
    for (let faults = 0; ; faults++) {
      const pfn = yield* this.driver.access(instance, address, isWrite);
      if (pfn !== 0) return pfn;
      if (faults === MAX_FAULTS) return yield* this.lastTry(address, isWrite, instance);
      if ((yield* this.driver.fault(instance, address, isWrite)) !== 0) return 0 as Pfn;
    }
  }

  /** Others may have been in the way so far. If nobody is now, one more fault must be enough. */
  private* lastTry(address: Vaddr, isWrite: boolean, instance: number): Task<MaySleep, Pfn> {
    const mm = spaceOfInstance(this.t.m, this.index, instance);
    const before = this.allowed(mm, address, isWrite);
    const error = yield* this.driver.fault(instance, address, isWrite);
    if (error !== 0) return 0 as Pfn;
    const pfn = yield* this.driver.access(instance, address, isWrite);
    const isStuck = pfn === 0 && before !== 0 && before === this.allowed(mm, address, isWrite);
    if (isStuck) throw new Violation(livelock(`device ${this.index}`, address, MAX_FAULTS + 1));
    return pfn;
  }

  /** What the process reaches there, if it may make the access and nobody is changing that; else 0. */
  private allowed(mm: Mm, address: Vaddr, isWrite: boolean): number {
    const { image, m } = this.t;
    if (!isSettled(m, mm, address, 0)) return 0;
    m.sched.touch(READ, image.translationWhere(m, mm, address));
    const primary = image.primaryTranslation(m, mm, address);
    return isWrite && primary % 2 === 0 ? 0 : primary;
  }
}
