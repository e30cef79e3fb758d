/** What gup-fast.race.spec.ts explores, linked with an image and with its edits. */
import { explore } from '@mmun/explorer';
import type { ExploreOptions, ExploreResult, Thread } from '@mmun/explorer';
import * as image from '@mmun/image';
import { CLONE_VM, MADV_DONTNEED, MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, MAP_SHARED, PAGE_SIZE, PROT_READ, PROT_WRITE } from '@mmun/include';
import type { Pfn, Task, TaskStruct, Vaddr } from '@mmun/include';

const P = PAGE_SIZE;
const A = (13 * P) as Vaddr;
/** What gets the frame of A next, in another table of ptes. */
const B = (image.config.arch === 'toy' ? 5 * P : 2 ** 21 + 5 * P) as Vaddr;
const RW = PROT_READ | PROT_WRITE;

type Machine = ReturnType<typeof image.boot>;

/** Threads 1 and 2 of one process on two CPUs, whose page A holds 7; thread 3 is the kernel's. Only one frame is free, so that it is used again. */
function boot(isFile: boolean): Machine {
  const m = image.boot({ ...image.toyConfig, nrSwapSlots: 3 });
  const task = image.newProcess(m);
  image.setCurrent(m, task);
  const inode = image.newInode(m, { path: '/f', kind: 'regular', major: 8, minor: 1, ino: 7, size: P, thpAligned: false });
  const file = image.filpOpen(m, inode, { isReadable: true, isWritable: true });
  image.run(m, image.sysMmap(m, A, P, RW, MAP_FIXED | (isFile ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS), file, 0));
  image.run(m, image.sysMmap(m, B, P, RW, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, 0 as never, 0));
  image.run(m, image.sysClone(m, CLONE_VM));
  image.run(m, image.userWrite(m, A, 7));
  image.kernelThread(m);
  image.run(m, image.shrinkZone(m, 0));
  return m;
}

function frameOf(m: Machine): Pfn {
  return (image.primaryTranslation(m, image.mmOf(m, 1 as TaskStruct), A) >>> 1) as Pfn;
}

const HANDLE: Readonly<Record<string, number>> = { reclaim: 3 };
const AGAINST: Readonly<Record<string, (m: Machine) => Task<string, void>>> = {
  * munmap(m: Machine): Task<string, void> {
    yield* image.sysMunmap(m, A, P);
    yield* image.userWrite(m, B, 9);
  },
  * dontneed(m: Machine): Task<string, void> {
    yield* image.sysMadvise(m, A, P, MADV_DONTNEED);
    yield* image.userWrite(m, B, 9);
  },
  * truncate(m: Machine): Task<string, void> {
    yield* image.truncateSetsize(m, 1 as never, 0);
    yield* image.userWrite(m, B, 9);
  },
  * reclaim(m: Machine): Task<string, void> {
    yield* image.reclaimPage(m, frameOf(m));
  },
  * cut(m: Machine): Task<string, void> {
    yield* image.truncateSetsize(m, 1 as never, 0);
  },
};

/**
 * A thread takes the page of A without a lock, and another takes A away. What it gets must be a page of A, held.
 * @param against munmap, dontneed, truncate, reclaim, and cut, as truncate, but nobody uses the frame again
 */
export function gupFast(against: string, isWrite: boolean, options: ExploreOptions): ExploreResult & { readonly got: readonly string[] } {
  const isFile = against === 'truncate' || against === 'cut';
  const got = new Set<string>();
  const atFirst = boot(isFile);
  const frame = frameOf(atFirst);
  const generation = image.frameGeneration(atFirst, frame);
  const threads: Thread<Machine>[] = [
    { name: 'kernel', handle: HANDLE[against] ?? 1, run: AGAINST[against] as (m: Machine) => Task<string, void> },
    {
      name: 'gup', handle: 2,
      * run(m): Task<string> {
        const pfn = yield* image.getUserPagesFast(m, A, isWrite);
        if (pfn <= 0) {
          got.add('nothing');
          return;
        }
        const isThatPage = pfn === frame && image.frameGeneration(m, frame) === generation;
        const isCopy = image.isFrameLive(m, pfn as Pfn) && m.pageContent[pfn] === 7;
        got.add(isThatPage ? 'the page' : isCopy ? 'the page, read back' : image.isFrameLive(m, pfn as Pfn) ? 'another page' : 'a free frame');
        yield* image.putPage(m, pfn as Pfn);
      },
    },
  ];
  const atEnd = (m: Machine, report: (found: { code: string; message: string }) => void): void => { image.checkMachine(m).forEach(report); };
  const result = explore({ name: `gup-fast-${against}`, boot: () => boot(isFile), threads, atEnd }, { strategy: 'dpor', findsAll: true, ...options });
  return { ...result, got: [...got].sort() };
}
