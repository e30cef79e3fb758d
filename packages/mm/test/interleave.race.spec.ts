/**
 * Threads of one process, and their forked children, run system calls and accesses in random interleavings at every
 * scheduling point. Whatever the order: the kernel does not stop, what a thread wrote it reads again, and in the end all
 * counts add up. The explorer does the same without chance, on small machines.
 */
import * as image from '@mmun/image';
import type { Scheduler, TaskStruct, Task, Vaddr } from '@mmun/include';
import { CLONE_VM, MADV_DONTNEED, MAP_SHARED, PAGE_SIZE, PROT_NONE, PROT_READ } from '@mmun/include';
import { effort, numbers } from '@mmun/test-support';
import { RW, world } from './page-world.js';
import type { World } from './page-world.js';

const P = PAGE_SIZE;
const THREADS = 3;
const OPS = 14;

interface Actor {
  readonly task: TaskStruct;
  readonly gen: Task<string, unknown>;
  blocked: boolean;
}

/** Too few frames for all that the threads and their children touch: then somebody always reclaims. */
const PRESSURE = { nrFrames: 14, nrSwapSlots: 400 };

function setUp(tlbEntries: number, settings: { splitPtlockCpus: number }, memory: { nrFrames: number; nrSwapSlots: number }): { w: World; tasks: TaskStruct[]; common: Vaddr; shared: Vaddr; own: Vaddr[]; inode: number } {
  const w = world({ nrCpus: 16, tlbEntries, ...memory, nrTables: 96, nrTasks: 32, pageContentWords: 8, settings: { ...settings, faultAroundBytes: 4 * P } });
  const common = w.mmap(4);
  const { file, inode } = w.file(6);
  const shared = w.mmap(6, { flags: MAP_SHARED, file });
  const own = Array.from({ length: THREADS }, () => {
    const at = w.mmap(6);
    w.run(image.sysMprotect(w.m, (at + 5 * P) as Vaddr, P, PROT_NONE));
    return at;
  });
  const tasks = [w.task];
  while (tasks.length < THREADS) tasks.push(w.run<number>(image.sysClone(w.m, CLONE_VM)) as TaskStruct);
  return { w, tasks, common, shared, own, inode };
}

/** What one thread does; `i` is its number, so that no two threads write one word. */
function* life(w: World, i: number, places: ReturnType<typeof setUp>, pick: (n: number) => number, spawn: (task: TaskStruct) => void): Task<string, void> {
  const { m } = w;
  const mine = places.own[i];
  const written = new Map<number, number>();
  const word = i * 4;
  for (let op = 0; op < OPS; op++) {
    const page = pick(4);
    const value = i * 1000 + op + 1;
    const at = (mine + page * P) as Vaddr;
    switch (pick(12)) {
      case 0: case 1: case 10: {
        const where = (places.common + page * P + word) as Vaddr;
        if ((yield* image.userWrite(m, where, value)) === 0) written.set(where, value);
        break;
      }
      case 2:
        if ((yield* image.userWrite(m, at, value)) === 0) written.set(at, value);
        break;
      case 3:
        yield* image.sysMadvise(m, at, P, MADV_DONTNEED);
        if (written.has(at)) written.set(at, 0);
        break;
      case 4:
        yield* image.sysMprotect(m, at, P, PROT_READ);
        if ((yield* image.userWrite(m, at, value)) === 0) throw new Error(`thread ${i} wrote to 0x${at.toString(16)}, which is read-only`);
        break;
      case 5:
        yield* image.sysMprotect(m, at, P, RW);
        break;
      case 6: {
        const child = yield* image.sysClone(m, 0);
        if (child > 0) spawn(child as TaskStruct);
        break;
      }
      case 7: {
        const extra = yield* image.sysMmap(m, 0 as Vaddr, 3 * P, RW, 0x22, 0 as never, 0);
        yield* image.userWrite(m, (extra + P) as Vaddr, value);
        const moved = yield* image.sysMremap(m, extra as Vaddr, 3 * P, 6 * P, 1, 0 as Vaddr);
        expect(yield* image.userRead(m, (moved + P) as Vaddr)).toBe(value);
        yield* image.sysMunmap(m, moved as Vaddr, 6 * P);
        break;
      }
      case 8:
        yield* image.userWrite(m, (places.shared + pick(6) * P + word) as Vaddr, value);
        break;
      case 9:
        yield* image.truncateSetsize(m, places.inode as never, pick(7) * P);
        break;
      default:
        yield* image.userRead(m, (places.shared + pick(6) * P) as Vaddr);
    }
    for (const [where, wanted] of written) {
      const got = yield* image.userRead(m, where as Vaddr);
      if (got !== wanted) throw new Error(`thread ${i} wrote ${wanted} at 0x${where.toString(16)} and reads ${got}`);
    }
  }
}

/** A forked child reads and writes what it inherited, and ends. */
function* childLife(w: World, places: ReturnType<typeof setUp>, pick: (n: number) => number): Task<string, void> {
  const words = Array.from({ length: 4 * THREADS }, (_, i) => (places.common + (i % 4) * P + Math.floor(i / 4) * 4) as Vaddr);
  const before: number[] = [];
  for (const word of words) before.push(yield* image.userRead(w.m, word));
  yield* image.userWrite(w.m, (places.common + pick(4) * P + 12) as Vaddr, 99999);
  yield* image.userWrite(w.m, places.own[pick(THREADS)] as Vaddr, 88888);
  for (const [i, word] of words.entries()) {
    const got = yield* image.userRead(w.m, word);
    if (got !== before[i]) throw new Error(`a child read ${before[i]} and then ${got} at 0x${word.toString(16)}, which only its parent wrote`);
  }
  yield* image.sysExit(w.m);
}

/** kswapd, and a flusher that writes the shared file back. */
function* daemon(w: World, inode: number): Task<string, void> {
  for (let round = 0; round < 6; round++) {
    yield* image.shrinkZone(w.m, 4);
    yield* image.filemapFdatawrite(w.m, inode as never, 0, 6);
  }
}

function play(seed: number, tlbEntries: number, splitPtlockCpus: number, isPressed: boolean): void {
  const places = setUp(tlbEntries, { splitPtlockCpus }, isPressed ? PRESSURE : { nrFrames: 512, nrSwapSlots: 0 });
  const { w, tasks } = places;
  const pick = numbers(seed * 2654435761);
  const actors: Actor[] = [];
  let current: Actor | undefined;
  const rarely = 2 + pick(12);
  const sched: Scheduler = {
    point: () => pick(rarely) === 0,
    until: (_kind, where, mask, value) => {
      const isBlocked = (w.m.words[where] & mask) !== value;
      if (current) current.blocked = isBlocked;
      return isBlocked;
    },
    choose: (n) => pick(n),
    touch: () => undefined,
  } as Scheduler;
  w.m.sched = sched;
  const spawn = (task: TaskStruct): void => { actors.push({ task, gen: childLife(w, places, pick), blocked: false }); };
  tasks.forEach((task, i) => actors.push({ task, gen: life(w, i, places, pick, spawn), blocked: false }));
  if (isPressed) actors.push({ task: image.kernelThread(w.m), gen: daemon(w, places.inode), blocked: false });
  for (let steps = 0; actors.length > 0; steps++) {
    if (steps > 400_000) throw new Error('the threads do not come to an end');
    const at = pick(actors.length);
    current = actors[at];
    current.blocked = false;
    image.setCurrent(w.m, current.task);
    if (current.gen.next().done === true) actors.splice(at, 1);
  }
  w.m.sched = { point: () => false, until: () => false, choose: () => 0, touch: () => undefined } as Scheduler;
  image.setCurrent(w.m, w.task);
  expect(image.checkMachine(w.m)).toEqual([]);
}

describe('random interleavings', () => {
  for (const [tlbEntries, split, isPressed] of [[0, 4, false], [0, 64, false], [3, 4, false], [0, 4, true], [3, 4, true]] as const) {
    it(`leave a consistent machine: ${tlbEntries} TLB entries, ptes locked ${split === 4 ? 'by table' : 'by mm'}${isPressed ? ', memory short' : ''}`, () => {
      const seeds = isPressed ? effort(5, 60, 1000) : effort(10, 150, 3000);
      for (let seed = 1; seed <= seeds; seed++) {
        try {
          play(seed, tlbEntries, split, isPressed);
        } catch (error) {
          throw new Error(`seed ${seed}: ${error instanceof Error ? error.stack : String(error)}`, { cause: error });
        }
      }
    });
  }
});
