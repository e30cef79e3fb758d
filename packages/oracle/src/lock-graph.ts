/**
 * Lock order as lockdep knows it: which lock was waited for while which others were held, by class and in all executions
 * together. A circle is a deadlock that only needs the right schedule, so one run of each half is enough to find it.
 * A class is a column: `page.ptl`, `mm.mmapSem`. Locks of one class are told apart by their words.
 */
import type { Where } from '@mmun/include';

/** The place where an order was seen first. */
export interface OrderSeen {
  readonly held: string;
  readonly taken: string;
  readonly thread: string;
}

interface Edge extends OrderSeen {
  readonly to: string;
}

export class LockGraph {
  private readonly edges: Map<string, Map<string, Edge>> = new Map();
  private readonly seen: Set<number> = new Set();
  private readonly nameOf: (where: Where) => string;
  /** One circle for each set of classes. */
  readonly circles: Map<string, readonly OrderSeen[]> = new Map();

  constructor(nameOf: (where: Where) => string) {
    this.nameOf = nameOf;
  }

  /** `thread` is about to wait for `lock`. */
  waits(lock: Where, held: readonly Where[], thread: () => string): void {
    for (const other of held) {
      if (other === lock) continue;
      const key = other * 2 ** 26 + lock;
      if (this.seen.has(key)) continue;
      this.seen.add(key);
      this.add(this.nameOf(other), this.nameOf(lock), thread());
    }
  }

  /** `ptl[3]` and `ptl[4]` in one nesting are two locks; everywhere else they are one class. */
  private add(held: string, taken: string, thread: string): void {
    const isOneClass = classOfLock(held) === classOfLock(taken);
    const from = isOneClass ? held : classOfLock(held);
    const to = isOneClass ? taken : classOfLock(taken);
    let out = this.edges.get(from);
    if (out === undefined) this.edges.set(from, (out = new Map()));
    if (out.has(to)) return;
    const edge: Edge = { to, held, taken, thread };
    out.set(to, edge);
    const back = this.path(to, from, new Set());
    if (back === null) return;
    const circle = [edge, ...back];
    const key = circle.map(({ to: name }) => name).sort().join(' ');
    if (!this.circles.has(key)) this.circles.set(key, circle);
  }

  private path(from: string, to: string, visited: Set<string>): Edge[] | null {
    if (from === to) return [];
    visited.add(from);
    for (const edge of this.edges.get(from)?.values() ?? []) {
      if (visited.has(edge.to)) continue;
      const rest = this.path(edge.to, to, visited);
      if (rest !== null) return [edge, ...rest];
    }
    return null;
  }
}

/** `page.ptl[9]` is of class `page.ptl`. */
export function classOfLock(name: string): string {
  return name.replace(/(\[\d+\])+$/, '');
}
