// Models struct mmu_notifier of include/linux/mmu_notifier.h (v5 and 4.12), as far as designs share it.
/** Rows of notifiers and heads of lists: taken, freed and found alike in each design that has them. */
import { WRITE } from '@mmun/include';
import type { Mm, MmuNotifier, Spinlock, Where } from '@mmun/include';
import { LIST_POISON1, poolAlloc, poolFree, whereOf } from '@mmun/lib';
import type { Pool } from '@mmun/lib';
import { spinlockAt, touch } from '@mmun/locking';
import type { LockingMachine } from '@mmun/locking';

/** What the designs' tables have in common. */
export interface NotifierRows extends LockingMachine {
  readonly notifierHead: { readonly first: Uint32Array; readonly lock: Int32Array };
  readonly notifier: { readonly ops: Uint32Array; readonly instance: Uint32Array; readonly next: Uint32Array; readonly pprev: Uint32Array };
  readonly notifierPool: Pool;
}

/** The notifier that C embeds in a driver's struct. @returns 0 where all are in use */
export function mmuNotifierAlloc(m: NotifierRows, ops: number, instance: number): MmuNotifier {
  touch(m, WRITE, whereOf(m.notifierPool.head.used, 0));
  const mn = poolAlloc(m.notifierPool) as MmuNotifier;
  if (mn === 0) return mn;
  m.notifier.ops[mn] = ops;
  m.notifier.instance[mn] = instance;
  m.notifier.next[mn] = 0;
  m.notifier.pprev[mn] = 0;
  return mn;
}

/** Frees it. Whoever still walks over it stops the machine. */
export function mmuNotifierFree(m: NotifierRows, mn: MmuNotifier): void {
  touch(m, WRITE, whereOf(m.notifier.ops, mn));
  touch(m, WRITE, whereOf(m.notifier.next, mn));
  touch(m, WRITE, whereOf(m.notifierPool.head.used, 0));
  poolFree(m.notifierPool, mn);
  m.notifier.next[mn] = LIST_POISON1;
}

/** container_of(mn): the driver's row. */
export function mmuNotifierInstance(m: NotifierRows, mn: MmuNotifier): number {
  return m.notifier.instance[mn];
}

export function listHead(m: NotifierRows, mm: Mm): Where {
  return whereOf(m.notifierHead.first, mm);
}

export function headLock(m: NotifierRows, mm: Mm): Spinlock {
  return spinlockAt(m.notifierHead.lock, mm);
}
