/** What fresh-page.race.spec.ts explores: reclaim that looks while a page comes to be. */
import { auditSteps, explore } from '@mmun/explorer';
import type { ExploreOptions, ExploreResult, Program, StepAudit, Thread } from '@mmun/explorer';
import * as image from '@mmun/image';
import { CLONE_VM, MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PAGE_SIZE, PROT_READ, PROT_WRITE } from '@mmun/include';
import type { Mm, Pfn, Task, TaskStruct, Vaddr } from '@mmun/include';

const A = (13 * PAGE_SIZE) as Vaddr;

/** The frame that the page will get: the first after the zero page. */
const NEXT = 2 as Pfn;

type Machine = ReturnType<typeof image.boot>;

/** Thread 1 has mapped page A and not touched it; thread 2 is of the same process, thread 3 is the kernel's. */
function boot(): Machine {
  const m = image.boot({ ...image.toyConfig, nrSwapSlots: 3 });
  const task = image.newProcess(m);
  image.setCurrent(m, task);
  image.run(m, image.sysMmap(m, A, PAGE_SIZE, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, 0 as never, 0));
  image.run(m, image.sysClone(m, CLONE_VM));
  image.kernelThread(m);
  return m;
}

/** Reclaim runs first, and a write makes the page. @param ends where the page was when an execution ended */
function program(ends: Set<string>): Program<Machine> {
  const threads: Thread<Machine>[] = [
    {
      name: 'reclaim', handle: 3,
      * run(m): Task<string> {
        yield* image.lruAddDrain(m);
        yield* image.reclaimPage(m, NEXT);
      },
    },
    { name: 'write', handle: 1, run: (m): Task<string, unknown> => image.userWrite(m, A, 7) },
  ];
  const atEnd = (m: Machine, report: (found: { code: string; message: string }) => void): void => {
    ends.add(image.primaryTranslation(m, image.mmOf(m, 1 as TaskStruct) as Mm, A) === 0 ? 'out' : 'in memory');
    image.checkMachine(m).forEach(report);
  };
  return { name: 'fresh-page', boot, threads, atEnd };
}

/** Where the page is in the end, in any ordering. */
export function freshPage(options: ExploreOptions): ExploreResult & { readonly ends: readonly string[] } {
  const ends = new Set<string>();
  const result = explore(program(ends), { strategy: 'dpor', findsAll: true, ...options });
  return { ...result, ends: [...ends].sort() };
}

export function auditFreshPage(): StepAudit {
  return auditSteps(program(new Set()) as unknown as Program<never>, 5000);
}
