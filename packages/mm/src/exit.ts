// Models exit_mm of kernel/exit.c (6.18).
import type { MaySleep, Mm, Task } from '@mmun/include';
import { current } from '@mmun/locking';
import { freeTask, mmput } from './fork.js';
import type { Machine } from './mm-types.js';

/** The current thread ends; the last user of an mm tears it down. */
export function* sysExit(m: Machine): Task<MaySleep, number> {
  const task = current(m);
  const mm = m.task.mm[task] as Mm;
  m.task.mm[task] = 0;
  if (mm !== 0) yield* mmput(m, mm);
  freeTask(m, task);
  return 0;
}
