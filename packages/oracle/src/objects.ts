/**
 * Objects of a driver that are used after they were freed: rows of its tables, by a column that is odd while the row is live
 * (a pool's `gen`, a flag of 0 and 1).
 *
 * A work item, an RCU callback or a callback of mm that comes too late finds numbers in the row, as a pointer finds bytes. So
 * the columns are seen through a proxy, as in data-race.ts; nothing is kept outside of the machine, so every search may do it.
 */
import { READ, WRITE } from '@mmun/include';
import type { Table, TableSpec, Where } from '@mmun/include';
import { whereOf } from '@mmun/lib';
import { Violation, usesFreedRow } from './reports.js';
import type { WatchedMachine } from './watched.js';

type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;

/** By table of a plugin, `kvm.kvm`: the column that says which rows are live, `kvm.kvmPool.gen`. */
export type WatchedObjects = Readonly<Record<string, string>>;

/** Machines that someone looks at from outside: that is no use. */
const looked = new WeakSet<WatchedMachine>();

/** Nothing that `look` reads is judged. */
export function fromOutside(m: WatchedMachine, look: () => void): void {
  const isNested = looked.has(m);
  looked.add(m);
  try {
    look();
  } finally {
    if (!isNested) looked.delete(m);
  }
}

/** Someone looks from outside now. */
export function isLookedAt(m: WatchedMachine): boolean {
  return looked.has(m);
}

/** To be called before plugins are attached. @throws RangeError for names that no table has */
export function watchObjects(m: WatchedMachine, objects: WatchedObjects): void {
  const isOff = (): boolean => m.cpu.current[0] === 0 || looked.has(m);
  for (const [name, liveName] of Object.entries(objects)) {
    const table = tableOf(m, name);
    const dot = liveName.lastIndexOf('.');
    const liveTable = tableOf(m, liveName.slice(0, dot));
    const live = liveTable[liveName.slice(dot + 1)] as Uint32Array | undefined;
    if (live === undefined) throw new RangeError(`watched objects \`${name}\`: \`${liveName}\` is no column`);
    const whereOfRow = (row: number): Where => whereOf(live, row);
    const columns = Object.fromEntries(Object.entries(table).map(([column, array]) => [column, array === live ? array : watchColumn(m, `${name}.${column}`, array as Column, live, whereOfRow, isOff)]));
    replace(m, name, columns as Table<TableSpec>);
    // a row is given out and taken back where others may look at it: the two steps must not be taken for independent
    replace(m, liveName.slice(0, dot), { ...tableOf(m, liveName.slice(0, dot)), [liveName.slice(dot + 1)]: noting(m, live, whereOfRow) } as Table<TableSpec>);
  }
}

function tableOf(m: WatchedMachine, name: string): Record<string, unknown> {
  const table = m.secondaryTables[name];
  if (table === undefined) throw new RangeError(`watched objects \`${name}\`: no plugin has such a table`);
  return table as unknown as Record<string, unknown>;
}

function replace(m: WatchedMachine, name: string, table: Table<TableSpec>): void {
  (m.secondaryTables as Record<string, Table<TableSpec>>)[name] = table;
}

/** Any use of a row that is not live stops the thread that makes it. */
function watchColumn(m: WatchedMachine, name: string, array: Column, live: Uint32Array, whereOfRow: (row: number) => Where, isOff: () => boolean): Column {
  const perRow = Math.max(1, Math.floor(array.length / live.length));
  return proxyOf(array, (index) => {
    const row = Math.floor(index / perRow);
    if (row === 0 || isOff()) return;
    m.sched.touch(READ, whereOfRow(row));
    if (live[row] % 2 === 0) throw new Violation(usesFreedRow(name, row));
  });
}

/** The column that says which rows are live: each store is part of its step. */
function noting(m: WatchedMachine, live: Uint32Array, whereOfRow: (row: number) => Where): Uint32Array {
  return proxyOf(live, (index, isWrite) => { if (isWrite) m.sched.touch(WRITE, whereOfRow(index)); });
}

function proxyOf<C extends Column>(array: C, used: (index: number, isWrite: boolean) => void): C {
  const isIndex = (key: string | symbol): key is string => typeof key === 'string' && /^\d+$/.test(key);
  return new Proxy(array, {
    get: (target, key): unknown => {
      if (isIndex(key)) used(Number(key), false);
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
    },
    set: (target, key, value): boolean => {
      if (isIndex(key)) used(Number(key), true);
      return Reflect.set(target, key, value, target);
    },
    // who looks at everything that a program holds uses no row
    ownKeys: () => [],
  });
}
