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
  /** Held whenever this order was seen, and by one thread at a time. */
  readonly gates: readonly string[];
}

interface Edge extends OrderSeen {
  readonly to: string;
}

export class LockGraph {
  private readonly edges: Map<string, Map<string, Edge>> = new Map();
  /** By pair of words: the gates under which the one was always waited for while the other was held. */
  private readonly gatesOf: Map<number, readonly Where[]> = new Map();
  private readonly nameOf: (where: Where) => string;
  /** All that changed the graph, in turn: `see` makes another one of it that knows as much. */
  readonly orders: OrderSeen[] = [];
  /** One circle for each set of classes. */
  readonly circles: Map<string, readonly OrderSeen[]> = new Map();

  constructor(nameOf: (where: Where) => string) {
    this.nameOf = nameOf;
  }

  /**
   * `thread` is about to wait for `lock`.
   * @param gates of those that it holds, the ones that nobody else can hold meanwhile, in whatever way: two orders under one gate never meet
   */
  waits(lock: Where, held: readonly Where[], gates: readonly Where[], thread: () => string): void {
    for (const other of held) {
      if (other === lock) continue;
      const key = other * 2 ** 26 + lock;
      const known = this.gatesOf.get(key);
      const left = known === undefined ? gates : known.filter((gate) => gates.includes(gate));
      if (known?.length === left.length) continue;
      this.gatesOf.set(key, left);
      this.see({ held: this.nameOf(other), taken: this.nameOf(lock), gates: left.filter((gate) => gate !== other).map((gate) => this.nameOf(gate)), thread: thread() });
    }
  }

  /** `ptl[3]` and `ptl[4]` in one nesting are two locks; everywhere else they are one class. */
  see(order: OrderSeen): void {
    this.orders.push(order);
    const { held, taken, gates, thread } = order;
    const isOneClass = classOfLock(held) === classOfLock(taken);
    const from = isOneClass ? held : classOfLock(held);
    const to = isOneClass ? taken : classOfLock(taken);
    let out = this.edges.get(from);
    if (out === undefined) this.edges.set(from, (out = new Map()));
    const known = out.get(to);
    if (known !== undefined && known.gates.every((gate) => gates.includes(gate))) return;
    const edge: Edge = { to, held, taken, thread, gates: known === undefined ? gates : known.gates.filter((gate) => gates.includes(gate)) };
    out.set(to, edge);
    const back = this.path(to, from, new Set(), edge.gates);
    if (back === null) return;
    const circle = [edge, ...back];
    const key = circle.map(({ to: name }) => name).sort().join(' ');
    if (!this.circles.has(key)) this.circles.set(key, circle);
  }

  /** A way on which not every step is taken under one and the same gate. @param gates that all steps so far have had */
  private path(from: string, to: string, visited: Set<string>, gates: readonly string[]): Edge[] | null {
    if (from === to) return gates.length === 0 ? [] : null;
    visited.add(from);
    for (const edge of this.edges.get(from)?.values() ?? []) {
      if (visited.has(edge.to) && edge.to !== to) continue;
      const rest = this.path(edge.to, to, visited, gates.filter((gate) => edge.gates.includes(gate)));
      if (rest !== null) return [edge, ...rest];
    }
    return null;
  }
}

/** `page.ptl[9]` is of class `page.ptl`. */
export function classOfLock(name: string): string {
  return name.replace(/(\[\d+\])+$/, '');
}
