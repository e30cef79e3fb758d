/**
 * Names of places in a schedule that outlive a change of the program: the thread, what it
 * is about to do, to which object, for the how-many-th time. A step that is added to
 * another thread changes none of them.
 *
 *   start                       nobody has run yet
 *   unmap0.a2.litmus.mmu        unmap0, before it acquires litmus.mmu for the second time
 *   unmap0.end                  unmap0 has ended
 *   unmap0?1.kmalloc            its first choice called kmalloc
 */
import { YIELD } from '@mmun/include';
import { READY } from './execution.js';
import type { Execution } from './execution.js';

/** By kind: read write acquire release, shared ones as capitals, wait yield call. */
const LETTERS = 'rwalALtyc';

export class Labels {
  private readonly counts: Map<string, number> = new Map();
  private readonly names: Map<number, string> = new Map();

  reset(): void {
    this.counts.clear();
  }

  /** Thread arrives before its operation; to be called once for each arrival. */
  arrived(x: Execution, thread: number): string {
    if (thread < 0) return 'start';
    const name = x.nameOfThread(thread);
    if (x.statusOf(thread) !== READY) return `${name}.end`;
    return this.operation(x, thread, x.kindOf(thread), x.whereOf(thread));
  }

  operation(x: Execution, thread: number, kind: number, where: number): string {
    const name = x.nameOfThread(thread);
    const object = kind === YIELD ? '' : `.${this.objectOf(x, where)}`;
    return `${name}.${LETTERS[kind] ?? '?'}${this.count(`${name}.${kind}.${object}`)}${object}`;
  }

  choice(x: Execution, thread: number, label: string): string {
    const name = x.nameOfThread(thread);
    const what = plain(label);
    return `${name}?${this.count(`${name}?${what}`)}.${what}`;
  }

  private count(key: string): number {
    const n = (this.counts.get(key) ?? 0) + 1;
    this.counts.set(key, n);
    return n;
  }

  private objectOf(x: Execution, where: number): string {
    let name = this.names.get(where);
    if (name === undefined) this.names.set(where, (name = plain(x.nameOfWhere(where))));
    return name;
  }
}

/** Only what may stand in a replay string; an index 0 at the end is left out. */
export function plain(name: string): string {
  return name.replace(/[^A-Za-z0-9_-]+/g, '.').replace(/^\.|\.$/g, '').replace(/\.0$/, '');
}
