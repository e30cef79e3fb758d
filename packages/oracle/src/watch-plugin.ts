/** A plugin as it is, with an oracle between it and the kernel on the one side and its device on the other. */
import { ACQUIRE_SHARED, PAGE_SIZE, READ, WRITE } from '@mmun/include';
import type {
  KernelServices, MaySleep, Mm, MmuNotifier, Pfn, PointKind, SecondaryDriver, SecondaryMmu, Sleep, Step, Task, Vaddr,
} from '@mmun/include';
import { whereOf } from '@mmun/lib';
import { beginCall, endCall } from './calls.js';
import { judgeRead, noteWrite } from './contents.js';
import { noteFrameWrite } from './files.js';
import { CLOSED, LEFT, INSTANCES_PER_DRIVER, OPEN, UNREGISTERED, ghostOf, instanceRow } from './ghost.js';
import type { Ghost } from './ghost.js';
import { fromOutside } from './objects.js';
import { forgetRanges, rangeEnds, rangeRefused, rangeStarts } from './ranges.js';
import { Violation, closedUnderOp, neverReleased, opAfterClose, usesFreeFrame } from './reports.js';
import { judgeAccess } from './translations.js';
import type { WatchedImage, WatchedMachine } from './watched.js';
import type { Report } from '@mmun/explorer';

/** What all watchers of one plugin share. `m` is known once the plugin is attached. */
interface Watch<M extends WatchedMachine> {
  readonly image: WatchedImage<M>;
  readonly name: string;
  /** 0, 1, ... in the order of attaching. */
  readonly index: number;
  readonly m: () => M;
}

/** The same plugin to kernel and race; each access, op and end of an instance is judged. */
export function watchPlugin<M extends WatchedMachine>(image: WatchedImage<M>, plugin: SecondaryMmu, index: number, machine: () => M): SecondaryMmu {
  const watch: Watch<M> = { image, name: plugin.name, index, m: machine };
  return { ...plugin, attach: (services) => watchDriver(watch, services, plugin.attach(watchServices(watch, services))) };
}

/** The device reaches memory here, in one step with finding its entry. */
function watchServices<M extends WatchedMachine>(watch: Watch<M>, services: KernelServices): KernelServices {
  const { image, name, index } = watch;
  const reached = (pfn: Pfn, address: Vaddr, isWrite: boolean): Mm => {
    const m = watch.m();
    const ghost = ghostOf(m);
    const instance = ghost.thread.instance[m.cpu.current[0]];
    const mm = ghost.instance.mm[instanceRow(index, instance)] as Mm;
    judgeAccess(image, m, { who: name, mm, address, pfn, isWrite }, 0);
    return mm;
  };
  return {
    ...services,
    mmuNotifierAlloc: (instance): MmuNotifier => {
      forgetRanges(watch.m(), index, instance);
      begins(watch, instance);
      return services.mmuNotifierAlloc(instance);
    },
    * mmuNotifierUnregister(mn: MmuNotifier, mm: Mm): Task<MaySleep> {
      yield* services.mmuNotifierUnregister(mn, mm);
      ghostOf(watch.m()).instance.state[instanceRow(index, services.notifierInstance(mn))] = UNREGISTERED;
    },
    * setPageDirty(pfn: Pfn): Task<Step> {
      yield* services.setPageDirty(pfn);
      mustLive(watch, 'set_page_dirty', pfn);
    },
    * lockPage(pfn: Pfn): Task<Sleep<'lock_page'>> {
      yield* services.lockPage(pfn);
      mustLive(watch, 'lock_page', pfn);
    },
    * trylockPage(pfn: Pfn): Task<Step, boolean> {
      const isLocked = yield* services.trylockPage(pfn);
      mustLive(watch, 'trylock_page', pfn);
      return isLocked;
    },
    deviceRead: (pfn, address): number => {
      const mm = reached(pfn, address, false);
      const value = services.deviceRead(pfn, address);
      judgeRead(watch.m(), name, mm, address, value >>> 0);
      return value;
    },
    deviceWrite: (pfn, address, value): void => {
      const mm = reached(pfn, address, true);
      services.deviceWrite(pfn, address, value);
      noteWrite(watch.m(), mm, address, value >>> 0);
      noteFrameWrite(image, watch.m(), pfn);
    },
  };
}

/** A driver that uses a page must hold it, or have it held: part of the step that used it. */
function mustLive<M extends WatchedMachine>({ image, name, m: machine }: Watch<M>, what: string, pfn: Pfn): void {
  const m = machine();
  m.sched.touch(READ, image.frameWhere(m, pfn));
  m.sched.touch(READ, image.refcountWhere(m, pfn));
  if (!image.isFrameLive(m, pfn)) throw new Violation(usesFreeFrame(name, what, pfn));
}

function watchDriver<M extends WatchedMachine>(watch: Watch<M>, services: KernelServices, driver: SecondaryDriver): SecondaryDriver {
  const { index } = watch;
  return {
    ...driver,
    ops: watchOps(watch, services, driver.ops),
    audit: (visit) => { fromOutside(watch.m(), () => { driver.audit(visit); }); },
    * create(mm: Mm): Task<MaySleep, number> {
      const instance = yield* driver.create(mm);
      if (instance > 0) opened(watch, instance, mm);
      return instance;
    },
    * destroy(instance: number): Task<MaySleep> {
      const birth = birthOf(watch, instance);
      yield* driver.destroy(instance);
      // freed some steps ago, and its number may be another's by now
      if (birthOf(watch, instance) === birth) closed(watch, instance);
    },
    * fault(instance: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
      if (!isWrite) return yield* driver.fault(instance, address, isWrite);
      const m = watch.m();
      const mm = ghostOf(m).instance.mm[instanceRow(index, instance)] as Mm;
      const page = (address - (address % PAGE_SIZE)) as Vaddr;
      yield* beginCall(m, 'a device fault', mm, page, (page + 1) as Vaddr);
      const result = yield* driver.fault(instance, address, isWrite);
      endCall(m, 'a device fault', mm, page, (page + 1) as Vaddr, result === 0);
      return result;
    },
    access: (instance: number, address: Vaddr, isWrite: boolean): Task<Step, Pfn> => playedBy(watch.m(), instance, () => driver.access(instance, address, isWrite)),
  };
}

/** What `access` accesses is accessed by an instance of a device: its driver's own access, or a method that only this driver has. */
export function* playedBy<E extends string, R>(m: WatchedMachine, instance: number, access: () => Task<E, R>): Task<E, R> {
  const { thread } = ghostOf(m);
  const before = thread.instance[m.cpu.current[0]];
  thread.instance[m.cpu.current[0]] = instance;
  const result = yield* access();
  thread.instance[m.cpu.current[0]] = before;
  return result;
}

type Op = (mn: MmuNotifier, ...rest: number[]) => Task<MaySleep, number>;

/** Whatever ops the design has, and as many as the driver brings. */
function watchOps<M extends WatchedMachine>(watch: Watch<M>, services: KernelServices, ops: SecondaryDriver['ops']): SecondaryDriver['ops'] {
  // a driver without an end counts no ranges, so it is owed none
  const hasEnd = 'invalidateRangeEnd' in ops && ops.invalidateRangeEnd !== undefined;
  const watched = Object.entries(ops).filter(([, op]) => op !== undefined).map(([name, op]) => [name, watchOp(watch, services, name, hasEnd, op.bind(ops) as Op)]);
  return Object.fromEntries(watched) as SecondaryDriver['ops'];
}

function watchOp<M extends WatchedMachine>(watch: Watch<M>, services: KernelServices, name: string, hasEnd: boolean, op: Op): Op {
  return function* (mn, ...rest): Task<MaySleep, number> {
    const [, start, end] = rest as [Mm, Vaddr, Vaddr];
    const instance = services.notifierInstance(mn);
    opBegins(watch, name, instance);
    const isStart = hasEnd && name === 'invalidateRangeStart';
    if (isStart) rangeStarts(watch.m(), watch.index, instance, start, end);
    if (name === 'invalidateRangeEnd') rangeEnds(watch.m(), watch.index, instance, start, end);
    const result = yield* op(mn, ...rest);
    // one that refused is owed no end
    if (isStart && result < 0) rangeRefused(watch.m(), watch.index, instance);
    // the driver may have freed the notifier by now
    opEnds(watch, instance);
    if (name === 'release') wasReleased(watch, instance, rest[0] as Mm);
    return result;
  };
}

/** What a notifier belongs to was told of the end. If that is no instance, it is what all instances of the address space share. */
function wasReleased<M extends WatchedMachine>({ m, index }: Watch<M>, owner: number, mm: Mm): void {
  const { state, released, mm: space } = ghostOf(m()).instance;
  const row = instanceRow(index, owner);
  released[row] = 1;
  if (state[row] !== 0) return;
  for (let instance = 1; instance < INSTANCES_PER_DRIVER; instance++) {
    const other = instanceRow(index, instance);
    if (space[other] === mm) released[other] = 1;
  }
}

/** The address space that an instance of a device follows. */
export function spaceOfInstance(m: WatchedMachine, driver: number, instance: number): Mm {
  return ghostOf(m).instance.mm[instanceRow(driver, instance)] as Mm;
}

/** An instance is being made: ops for it may come before `create` has returned, also where one of its number was closed before. */
function begins<M extends WatchedMachine>({ m: machine, index }: Watch<M>, instance: number): void {
  const m = machine();
  const ghost = ghostOf(m);
  const row = instanceRow(index, instance);
  touchInstance(m, ghost, row, WRITE);
  ghost.instance.state[row] = ghost.instance.released[row] = 0;
  ghost.instance.births[row] += 1;
}

/** Where the address space has ended by now, its release came while the instance was being made. */
function opened<M extends WatchedMachine>({ image, m: machine, index }: Watch<M>, instance: number, mm: Mm): void {
  const m = machine();
  const ghost = ghostOf(m);
  const row = instanceRow(index, instance);
  touchInstance(m, ghost, row, WRITE);
  ghost.instance.state[row] = OPEN;
  ghost.instance.births[row] += 1;
  ghost.instance.mm[row] = mm;
  if (image.isMmAlive(m, mm)) ghost.instance.released[row] = 0;
}

function birthOf<M extends WatchedMachine>({ m: machine, index }: Watch<M>, instance: number): number {
  const m = machine();
  const ghost = ghostOf(m);
  const row = instanceRow(index, instance);
  touchInstance(m, ghost, row, READ);
  return ghost.instance.births[row];
}

/** An instance whose address space is ending cannot be unregistered any more: its ops go on until release. */
function closed<M extends WatchedMachine>({ image, m: machine, name, index }: Watch<M>, instance: number): void {
  const m = machine();
  const ghost = ghostOf(m);
  const row = instanceRow(index, instance);
  touchInstance(m, ghost, row, WRITE);
  if (ghost.instance.state[row] !== UNREGISTERED && !image.isMmAlive(m, ghost.instance.mm[row] as Mm)) {
    ghost.instance.state[row] = LEFT;
    return;
  }
  ghost.instance.state[row] = CLOSED;
  m.sched.touch(READ, whereOf(ghost.instance.running, row));
  if (ghost.instance.running[row] > 0) throw new Violation(closedUnderOp(name, instance));
}

function opBegins<M extends WatchedMachine>({ m: machine, name, index }: Watch<M>, op: string, instance: number): void {
  const m = machine();
  const ghost = ghostOf(m);
  const row = instanceRow(index, instance);
  touchInstance(m, ghost, row, READ);
  if (ghost.instance.state[row] === CLOSED) throw new Violation(opAfterClose(name, op, instance));
  m.sched.touch(ACQUIRE_SHARED, whereOf(ghost.instance.running, row));
  ghost.instance.running[row] += 1;
}

function opEnds<M extends WatchedMachine>({ m: machine, index }: Watch<M>, instance: number): void {
  const m = machine();
  const ghost = ghostOf(m);
  const row = instanceRow(index, instance);
  m.sched.touch(ACQUIRE_SHARED, whereOf(ghost.instance.running, row));
  ghost.instance.running[row] -= 1;
}

function touchInstance(m: WatchedMachine, ghost: Ghost, row: number, kind: PointKind): void {
  m.sched.touch(kind, whereOf(ghost.instance.state, row));
}

/** At rest: who follows an address space that has ended was told so. */
export function auditInstances<M extends WatchedMachine>(image: WatchedImage<M>, m: M, report: (found: Report) => void): void {
  const { state, released, mm, running } = ghostOf(m).instance;
  image.attachedSecondaries(m).forEach(({ name, driver }, index) => {
    if (driver.ops.release === undefined) return;
    for (let instance = 1; instance < INSTANCES_PER_DRIVER; instance++) {
      const row = instanceRow(index, instance);
      const isForgotten = state[row] === OPEN && released[row] === 0 && running[row] === 0 && !image.isMmAlive(m, mm[row] as Mm);
      if (isForgotten) report(neverReleased(name, instance, mm[row] as Mm));
    }
  });
}
