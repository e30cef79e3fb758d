/**
 * Plain fields that two threads use while nothing orders them: vector clocks over locks, atomics and RCU.
 *
 * Fields are watched where somebody asks for it. A watched column is seen through a proxy, so neither kernel nor driver
 * knows; it is slow. What stands behind a scheduling point is no plain use: atomics and lock words order others instead.
 * The clocks lie outside of the machine, so only searches that run executions from their beginning may be used.
 */
import { ACQUIRE_SHARED, READ, RELEASE, RELEASE_SHARED, WAIT, WRITE, YIELD } from '@mmun/include';
import type { PointKind, Table, TableSpec, Where } from '@mmun/include';
import { isLookedAt } from './objects.js';
import { Violation, unordered } from './reports.js';
import type { WatchedMachine } from './watched.js';

type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;
type Clock = number[];

interface Uses {
  writer: number;
  writeAt: number;
  /** By thread: its clock when it read last. */
  readonly reads: Map<number, number>;
}

export class DataRaces {
  private readonly m: WatchedMachine;
  private readonly clocks: Map<number, Clock> = new Map();
  private readonly words: Map<Where, Clock> = new Map();
  private readonly uses: Map<string, Uses> = new Map();
  /** By thread: the operation that was announced and has been done by the time it shows up again. */
  private readonly pending: Map<number, Where> = new Map();
  private readonly begun: Uint32Array;

  /** @param begun a word of the machine that every execution finds at 0 */
  constructor(m: WatchedMachine, begun: Uint32Array) {
    this.m = m;
    this.begun = begun;
  }

  /** Puts proxies before the columns, which are named as words are: `page.flags`. @throws RangeError where there is none of that name */
  watch(fields: readonly string[]): void {
    for (const field of fields) {
      const dot = field.lastIndexOf('.');
      const owner = field.slice(0, dot);
      const column = field.slice(dot + 1);
      const holder: Record<string, unknown> = owner in this.m.secondaryTables ? (this.m.secondaryTables as Record<string, unknown>) : (this.m as unknown as Record<string, unknown>);
      const table = holder[owner] as Table<TableSpec> | undefined;
      const array = table?.[column] as Column | undefined;
      if (table === undefined || array === undefined) throw new RangeError(`watched field \`${field}\`: no table has it`);
      holder[owner] = { ...table, [column]: this.proxy(field, array) };
    }
  }

  /** A point: what it announces is done when the thread is seen next. */
  announced(kind: PointKind, where: Where): void {
    if (kind === YIELD) return;
    const thread = this.thread();
    const clock = this.settle(thread);
    // early is safe: nobody can take a lock before it is left
    if (kind === RELEASE || kind === RELEASE_SHARED || kind === WRITE || kind === ACQUIRE_SHARED) {
      join(this.clockOfWord(where), clock);
      clock[thread] = (clock[thread] ?? 0) + 1;
    }
    this.pending.set(thread, where);
  }

  touched(kind: PointKind, where: Where): void {
    const thread = this.thread();
    const clock = this.settle(thread);
    join(clock, this.clockOfWord(where));
    if (kind === READ || kind === WAIT) return;
    join(this.clockOfWord(where), clock);
  }

  private used(field: string, index: number, isWrite: boolean): void {
    // the set-up runs alone, and so does whoever judges a machine at rest
    if (this.m.cpu.current[0] === 0 || this.begun[0] === 0 || isLookedAt(this.m)) return;
    const thread = this.thread();
    const clock = this.settle(thread);
    const name = `${field}[${index}]`;
    let uses = this.uses.get(name);
    if (uses === undefined) this.uses.set(name, (uses = { writer: 0, writeAt: 0, reads: new Map() }));
    if (uses.writer !== 0 && uses.writer !== thread && uses.writeAt > (clock[uses.writer] ?? 0)) throw new Violation(unordered(name, `thread ${uses.writer} writes`, `thread ${thread} ${isWrite ? 'writes' : 'reads'}`));
    if (!isWrite) {
      uses.reads.set(thread, clock[thread] ?? 0);
      return;
    }
    for (const [reader, at] of uses.reads) if (reader !== thread && at > (clock[reader] ?? 0)) throw new Violation(unordered(name, `thread ${reader} reads`, `thread ${thread} writes`));
    uses.writer = thread;
    uses.writeAt = clock[thread] ?? 0;
    uses.reads.clear();
  }

  /** The operation that was announced last has been done: it came after whatever its word has seen. */
  private settle(thread: number): Clock {
    if (this.begun[0] === 0) this.reset();
    let clock = this.clocks.get(thread);
    if (clock === undefined) {
      clock = [];
      clock[thread] = 1;
      this.clocks.set(thread, clock);
    }
    const where = this.pending.get(thread);
    if (where !== undefined) {
      join(clock, this.clockOfWord(where));
      this.pending.delete(thread);
    }
    return clock;
  }

  private reset(): void {
    this.begun[0] = 1;
    this.clocks.clear();
    this.words.clear();
    this.uses.clear();
    this.pending.clear();
  }

  private thread(): number {
    return this.m.cpu.current[0];
  }

  private clockOfWord(where: Where): Clock {
    let clock = this.words.get(where);
    if (clock === undefined) this.words.set(where, (clock = []));
    return clock;
  }

  private proxy(field: string, array: Column): Column {
    const isUse = (key: string | symbol): key is string => typeof key === 'string' && /^\d+$/.test(key);
    return new Proxy(array, {
      get: (target, key): unknown => {
        if (isUse(key)) this.used(field, Number(key), false);
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
      },
      set: (target, key, value): boolean => {
        if (isUse(key)) this.used(field, Number(key), true);
        return Reflect.set(target, key, value, target);
      },
    });
  }
}

function join(into: Clock, from: Clock): void {
  for (let t = 0; t < from.length; t++) if ((from[t] ?? 0) > (into[t] ?? 0)) into[t] = from[t] as number;
}
