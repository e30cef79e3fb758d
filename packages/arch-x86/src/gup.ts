// Models the lockless walk of arch/x86/mm/gup.c (2.6.27).
/** A shootdown waits for every CPU that runs the mm, and one with interrupts off does not answer. */
import type { Mm, Step, Task } from '@mmun/include';
import { localIrqRestore, localIrqSave } from '@mmun/arch-generic';
import type { ArchMachine } from '@mmun/arch-generic';

export const HAVE_RCU_TABLE_FREE: boolean = false;

export function* gupFastBegin(m: ArchMachine, cpu: number, mm: Mm): Task<Step> {
  yield* localIrqSave(m, cpu, mm);
}

export function* gupFastEnd(m: ArchMachine, cpu: number): Task<Step> {
  yield* localIrqRestore(m, cpu);
}
