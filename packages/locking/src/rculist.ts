/**
 * Hash lists that readers walk without a lock. include/linux/rculist.h, list.h
 *
 * Writers are meant to hold a lock of the list's; readers stand in an RCU read
 * section. Each load and store of a link that another thread may touch is a point,
 * also in the writers, because the notifier's release takes no lock at all: what
 * happens to two writers at once is for the explorer to find out, not to assume.
 * Only the links of a node that nobody can see yet are written without a point.
 */
import { READ, WRITE } from '@mmun/include';
import type { Step, Task, Where } from '@mmun/include';
import { KernelBug, LIST_POISON1, LIST_POISON2, whereOf } from '@mmun/lib';
import type { HlistNodes } from '@mmun/lib';
import { point } from '#point';
import type { LockingMachine } from './locking-machine.js';

/** hlist_add_head_rcu(): the node is whole before the head points at it. @param head where the first handle stands */
export function* hlistAddHeadRcu(m: LockingMachine, nodes: HlistNodes, n: number, head: Where): Task<Step> {
  yield* point(m, READ, head);
  const first = m.words[head];
  nodes.next[n] = first;
  nodes.pprev[n] = head;
  yield* point(m, WRITE, head);
  m.words[head] = n;
  if (first === 0) return;
  yield* point(m, WRITE, whereOf(nodes.pprev, first));
  nodes.pprev[first] = whereOf(nodes.next, n);
}

/** hlist_del_rcu(): readers that stand on the node still find their way on, so `next` stays. */
export function* hlistDelRcu(m: LockingMachine, nodes: HlistNodes, n: number): Task<Step> {
  yield* unlink(m, nodes, n);
  yield* point(m, WRITE, whereOf(nodes.pprev, n));
  nodes.pprev[n] = LIST_POISON2;
}

/** hlist_del_init_rcu(): as hlistDelRcu, and may be repeated: the node says that it is in no list. */
export function* hlistDelInitRcu(m: LockingMachine, nodes: HlistNodes, n: number): Task<Step> {
  if (yield* hlistIsUnhashed(m, nodes, n)) return;
  yield* unlink(m, nodes, n);
  yield* point(m, WRITE, whereOf(nodes.pprev, n));
  nodes.pprev[n] = 0;
}

/** hlist_unhashed(): in no list, for all that is known without the list's lock. */
export function* hlistIsUnhashed(m: LockingMachine, nodes: HlistNodes, n: number): Task<Step, boolean> {
  yield* point(m, READ, whereOf(nodes.pprev, n));
  return nodes.pprev[n] === 0;
}

/** hlist_del(): not for lists with readers. A reader that stands on the node runs into the poison. */
export function* hlistDelPoison(m: LockingMachine, nodes: HlistNodes, n: number): Task<Step> {
  yield* unlink(m, nodes, n);
  yield* point(m, WRITE, whereOf(nodes.next, n));
  nodes.next[n] = LIST_POISON1;
  yield* point(m, WRITE, whereOf(nodes.pprev, n));
  nodes.pprev[n] = LIST_POISON2;
}

/** The first handle of the list; 0 where it is empty. */
export function* hlistFirst(m: LockingMachine, head: Where): Task<Step, number> {
  yield* point(m, READ, head);
  return m.words[head];
}

/** The handle after `n`; 0 at the end. Stops the machine where `n` was taken out with poison. */
export function* hlistNext(m: LockingMachine, nodes: HlistNodes, n: number): Task<Step, number> {
  yield* point(m, READ, whereOf(nodes.next, n));
  const next = nodes.next[n];
  if (next === LIST_POISON1) throw new KernelBug('list-poison-followed', `next of node ${n}: it was deleted while someone walked the list`);
  return next;
}

/** __hlist_del(). */
function* unlink(m: LockingMachine, nodes: HlistNodes, n: number): Task<Step> {
  yield* point(m, READ, whereOf(nodes.next, n));
  const next = nodes.next[n];
  yield* point(m, READ, whereOf(nodes.pprev, n));
  const pprev = nodes.pprev[n] as Where;
  if (pprev === LIST_POISON2) throw new KernelBug('list-poison-written', `pprev of node ${n}: it was deleted before`);
  if (pprev === 0) throw new KernelBug('list-del-never-added', `node ${n}`);
  yield* point(m, WRITE, pprev);
  m.words[pprev] = next;
  if (next === 0) return;
  if (next === LIST_POISON1) throw new KernelBug('list-poison-linked', `next of node ${n}: it was deleted meanwhile`);
  yield* point(m, WRITE, whereOf(nodes.pprev, next));
  nodes.pprev[next] = pprev;
}
