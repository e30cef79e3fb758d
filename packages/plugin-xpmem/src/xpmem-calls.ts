// No kernel original: what a test can have XPMEM do that no other device does.
/** Calls for the kit: a segment that is attached and let go, one that is withdrawn under those who see it, and one that another process has in its memory. */
import { EBUSY, EFAULT, EINVAL, PAGE_SIZE } from '@mmun/include';
import type { MaySleep, OwnCall, Surroundings, Task, Vaddr } from '@mmun/include';
import type { XpmemDriver } from './xpmem-main.js';

/** A page of the process, and the right to attach it. */
interface Export {
  readonly segment: number;
  readonly permit: number;
}

function* exported(x: XpmemDriver, instance: number, address: Vaddr, isWritable: boolean): Task<MaySleep, Export> {
  const segment = yield* x.make(instance, address, PAGE_SIZE);
  return { segment, permit: segment < 0 ? segment : yield* x.get(segment, isWritable) };
}

/** @returns the frame, or what the fault says */
function* touch(x: XpmemDriver, view: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number> {
  for (let tries = 0; tries < 3; tries++) {
    const pfn = yield* x.access(view, address, isWrite);
    if (pfn !== 0) return pfn;
    const error = yield* x.fault(view, address, isWrite);
    if (error !== 0) return error;
  }
  return 0;
}

/** From make to remove, in order. */
function* segment(x: XpmemDriver, instance: number, address: Vaddr, { isAlone }: Surroundings): Task<MaySleep, string> {
  if (isAlone && (yield* x.make(instance, (address + 1) as Vaddr, PAGE_SIZE)) !== -EINVAL) return 'a segment begins within a page';
  if (isAlone && (yield* x.make(instance, address, 0)) !== -EINVAL) return 'a segment is empty';
  const { segment: made, permit } = yield* exported(x, instance, address, false);
  if (permit < 0) {
    if (made > 0) yield* x.remove(made);
    return isAlone ? `make gives ${made}, get ${permit}` : '';
  }
  const view = yield* x.attachRemote(permit);
  let wrong = isAlone && view < 0 ? `attach gives ${view}` : '';
  if (view > 0) {
    yield* touch(x, view, address, false);
    if (isAlone && (yield* touch(x, view, address, true)) !== -EFAULT) wrong = 'a view that is for reading writes';
    if (isAlone && (yield* touch(x, view, (address + PAGE_SIZE) as Vaddr, false)) !== -EFAULT) wrong = 'a view reaches what lies behind its segment';
    if (isAlone && (yield* x.release(permit)) !== -EBUSY) wrong = 'a permit is released while something is attached by it';
    if ((yield* x.detach(view)) !== 0 || (isAlone && (yield* x.detach(view)) !== -EINVAL)) wrong = 'a view is not detached once';
  }
  if ((yield* x.release(permit)) !== 0 || (isAlone && (yield* x.release(permit)) !== -EINVAL)) wrong = 'a permit is not released once';
  if ((yield* x.remove(made)) !== 0 || (isAlone && (yield* x.remove(made)) !== -EINVAL)) wrong = 'a segment is not removed once';
  return wrong;
}

/** Whoever sees a segment that is withdrawn sees nothing more, and lets go of it later. */
function* withdraw(x: XpmemDriver, instance: number, address: Vaddr, { isAlone }: Surroundings): Task<MaySleep, string> {
  const { segment: made, permit } = yield* exported(x, instance, address, true);
  const view = permit < 0 ? permit : yield* x.attachRemote(permit);
  if (view > 0) yield* touch(x, view, address, true);
  let wrong = isAlone && view < 0 ? `attach gives ${view}` : '';
  if (made > 0 && (yield* x.remove(made)) !== 0) wrong = 'a segment cannot be withdrawn';
  if (view > 0) {
    if ((yield* touch(x, view, address, false)) > 0) wrong = 'a segment that was withdrawn is seen';
    if (isAlone && (yield* x.get(made, false)) !== -EINVAL) wrong = 'a segment that was withdrawn is given away';
    if (isAlone && (yield* x.attachRemote(permit)) !== -EINVAL) wrong = 'a segment that was withdrawn is attached';
    yield* x.detach(view);
  }
  if (permit > 0) yield* x.release(permit);
  return wrong;
}

/** Another process has the page in an area of its own. */
function* area(x: XpmemDriver, instance: number, address: Vaddr, { other, isAlone }: Surroundings): Task<MaySleep, string> {
  const { segment: made, permit } = yield* exported(x, instance, address, true);
  const view = permit < 0 ? permit : yield* x.attachLocal(permit, other);
  let wrong = isAlone && !(view > 0) ? `attach gives ${view}` : '';
  if (view > 0) {
    if (isAlone) yield* x.fault(view, address, false);
    yield* x.fault(view, address, true);
    if ((yield* x.access(view, address, false)) !== 0) wrong = 'a device goes through an area that is not its own';
    if ((yield* x.detach(view)) !== 0) wrong = 'an area is not detached';
  }
  if (permit > 0) yield* x.release(permit);
  if (made > 0) yield* x.remove(made);
  return wrong;
}

/** The same for two pages, and they are there until the owner's instance is closed. */
function* keep(x: XpmemDriver, instance: number, address: Vaddr, { other, isAlone }: Surroundings): Task<MaySleep, string> {
  const made = yield* x.make(instance, address, 2 * PAGE_SIZE);
  const permit = made < 0 ? made : yield* x.get(made, true);
  const view = permit < 0 ? permit : yield* x.attachLocal(permit, other);
  const error = view > 0 ? yield* x.fault(view, address, true) : 0;
  if (view > 0) yield* x.fault(view, (address + PAGE_SIZE) as Vaddr, true);
  if (!isAlone) return '';
  if (view > 0) yield* x.detach(view);
  if (permit > 0) yield* x.release(permit);
  if (made > 0) yield* x.remove(made);
  return error === 0 || error === -EFAULT ? '' : `a fault of an area gives ${error}`;
}

/** A segment with a view that has its page. @returns all three in one number, or a negative errno */
function* make(x: XpmemDriver, instance: number, address: Vaddr): Task<MaySleep, number> {
  const { segment: made, permit } = yield* exported(x, instance, address, true);
  const view = permit < 0 ? permit : yield* x.attachRemote(permit);
  if (view < 0) return view;
  yield* touch(x, view, address, true);
  return (view * ROWS + permit) * ROWS + made;
}

/** Two want to have it removed, and one of them has it attached. @returns 1 to the one who has removed it */
function* remove(x: XpmemDriver, _instance: number, _address: Vaddr, { prepared = 0, turn }: Surroundings): Task<MaySleep, number> {
  if (prepared <= 0) return 0;
  if (turn === 0) {
    yield* x.detach(Math.floor(prepared / (ROWS * ROWS)));
    yield* x.release(Math.floor(prepared / ROWS) % ROWS);
  }
  return (yield* x.remove(prepared % ROWS)) === 0 ? 1 : 0;
}

/** A view from afar beside one in another process, whose memory may be out of reach. @returns the first */
function* makeBoth(x: XpmemDriver, instance: number, address: Vaddr, { other }: Surroundings): Task<MaySleep, number> {
  const { permit } = yield* exported(x, instance, address, true);
  const view = permit < 0 ? permit : yield* x.attachLocal(permit, other);
  if (view > 0) yield* x.fault(view, address, true);
  return permit < 0 ? permit : yield* x.attachRemote(permit);
}

function* useBoth(x: XpmemDriver, _instance: number, address: Vaddr, { prepared = 0, isAlone }: Surroundings): Task<MaySleep, string> {
  const pfn = prepared > 0 ? yield* touch(x, prepared, address, true) : 0;
  return isAlone && prepared > 0 && pfn === 0 ? 'a view gets nothing, where another one could not be cleared' : '';
}

/** More than the tables of a toy machine have. */
const ROWS = 64;

export const xpmemCalls: readonly OwnCall[] = [
  { name: 'segment', run: segment }, { name: 'withdraw', run: withdraw }, { name: 'area', run: area }, { name: 'keep', isLong: true, run: keep }, { name: 'remove', prepare: make, run: remove }, { name: 'both', isLong: true, prepare: makeBoth, run: useBoth },
];
