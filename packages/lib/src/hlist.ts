/**
 * Hash lists: a head of one word, nodes of two.
 *
 *   head.first ─> node.next ─> node.next ─> 0        handles
 *        ^─ node.pprev  ^─ node.pprev                words: which word points at me
 *
 * `pprev` makes taking a node out possible without its head. A node that was taken
 * out is poisoned: to follow its links, or to take it out again, stops the machine
 * as the kernel's unmapped poison addresses do. include/linux/list.h, poison.h
 *
 * These functions are for lists that a lock guards or that one thread sees; for
 * readers under RCU see rculist of the locking package.
 */
import type { Where } from '@mmun/include';
import { bugOn } from './bug.js';
import { whereOf } from './layout.js';

/** What `next` and `pprev` of a node hold after it was taken out: no handle and no word. */
export const LIST_POISON1 = 0x7fff0100;
export const LIST_POISON2 = 0x7fff0200;

/** The two columns of a table whose rows are nodes. */
export interface HlistNodes {
  readonly next: Uint32Array;
  readonly pprev: Uint32Array;
}

/** In no list: never was, or taken out with hlistDelInit. */
export function hlistUnhashed(nodes: HlistNodes, n: number): boolean {
  return nodes.pprev[n] === 0;
}

export function hlistIsPoisoned(nodes: HlistNodes, n: number): boolean {
  return nodes.pprev[n] === LIST_POISON2;
}

/** @param words the whole buffer @param head where the list's first handle stands */
export function hlistAddHead(words: Int32Array, nodes: HlistNodes, n: number, head: Where): void {
  const first = words[head];
  nodes.next[n] = first;
  nodes.pprev[n] = head;
  words[head] = n;
  if (first !== 0) nodes.pprev[first] = whereOf(nodes.next, n);
}

/** Takes the node out and poisons it. */
export function hlistDel(words: Int32Array, nodes: HlistNodes, n: number): void {
  unlink(words, nodes, n);
  nodes.next[n] = LIST_POISON1;
  nodes.pprev[n] = LIST_POISON2;
}

/** Takes the node out, if it is in, and leaves it ready to be added again. */
export function hlistDelInit(words: Int32Array, nodes: HlistNodes, n: number): void {
  if (hlistUnhashed(nodes, n)) return;
  unlink(words, nodes, n);
  nodes.next[n] = 0;
  nodes.pprev[n] = 0;
}

function unlink(words: Int32Array, nodes: HlistNodes, n: number): void {
  const next = nodes.next[n];
  const pprev = nodes.pprev[n];
  bugOn(next === LIST_POISON1 || pprev === LIST_POISON2 || pprev === 0, 'hlist-del-not-in-list');
  words[pprev] = next;
  if (next !== 0) nodes.pprev[next] = pprev;
}
