/**
 * One ArrayBuffer per machine, and the tables that lie in it.
 *
 *   buffer   | reserved | table a         | table b                    | ...
 *   table      column 0 [capacity]  column 1 [capacity]  ...
 *
 * A table is a struct of arrays: one typed array per field, all of one capacity.
 * Reserving comes first, for every table; then `allocate` makes the buffer once
 * and each table's view is taken from it. Snapshot and restore are one copy.
 * The first 64 bytes belong to nobody, so that word 0 is no lock and no object.
 */
import type { ColumnType, ColumnView, Table, TableSpec, Where } from '@mmun/include';

export type { ColumnType, Table, TableSpec };

/** Where a column lies; the explorer and the oracles name words of the buffer by it. */
export interface ColumnPlace {
  /** `vma.vmStart` */
  readonly name: string;
  readonly type: ColumnType;
  /** Bytes from the start of the buffer. */
  readonly offset: number;
  /** Elements per row. */
  readonly perRow: number;
  readonly rows: number;
}

export interface Layout {
  readonly columns: ColumnPlace[];
  bytes: number;
}

/** A table that has its place but no memory yet. */
export interface Reserved<S extends TableSpec> {
  readonly name: string;
  readonly spec: S;
  readonly places: readonly ColumnPlace[];
}

const BYTES: Readonly<Record<ColumnType, number>> = { u8: 1, u16: 2, u32: 4, i32: 4, f64: 8 };
const RESERVED_BYTES = 64;

export function newLayout(): Layout {
  return { columns: [], bytes: RESERVED_BYTES };
}

/** @param rows capacity, row 0 included (it is NULL in tables of handles) */
export function reserve<const S extends TableSpec>(layout: Layout, name: string, rows: number, spec: S): Reserved<S> {
  const places: ColumnPlace[] = [];
  for (const field of Object.keys(spec)) {
    const wanted = spec[field] as ColumnType | readonly [ColumnType, number];
    const type = typeof wanted === 'string' ? wanted : wanted[0];
    const perRow = typeof wanted === 'string' ? 1 : wanted[1];
    const offset = alignUp(layout.bytes, 8);
    const place: ColumnPlace = { name: `${name}.${field}`, type, offset, perRow, rows };
    layout.bytes = offset + BYTES[type] * perRow * rows;
    layout.columns.push(place);
    places.push(place);
  }
  return { name, spec, places };
}

/** The machine's memory, zeroed. Columns reserved later are not in it. */
export function allocate(layout: Layout): ArrayBuffer {
  layout.bytes = alignUp(layout.bytes, 8);
  return new ArrayBuffer(layout.bytes);
}

export function viewTable<S extends TableSpec>(buffer: ArrayBuffer, reserved: Reserved<S>): Table<S> {
  const table: Record<string, ColumnView<ColumnType>> = {};
  const fields = Object.keys(reserved.spec);
  for (let i = 0; i < fields.length; i++) {
    const { type, offset, perRow, rows } = reserved.places[i] as ColumnPlace;
    table[fields[i] as string] = viewColumn(buffer, type, offset, perRow * rows);
  }
  // Many fields added one by one make a hash table of an object; a literal is a struct, and every access is faster.
  return { ...table } as Table<S>;
}

/** Word index of an element of a 32-bit column: what points and locks are named by. */
/* @__NO_SIDE_EFFECTS__ */ export function whereOf(column: Uint32Array | Int32Array, element: number): Where {
  return (((column as Placed).firstWord ?? column.byteOffset >>> 2) + element) as Where;
}

/** `vma.vmStart[12]` for a word of the buffer; for messages, not for hot paths. */
export function nameOfWhere(layout: Layout, where: Where): string {
  const byte = where * 4;
  for (const { name, type, offset, perRow, rows } of layout.columns) {
    const size = BYTES[type];
    if (byte < offset || byte >= offset + size * perRow * rows) continue;
    const element = Math.floor((byte - offset) / size);
    return perRow === 1 ? `${name}[${element}]` : `${name}[${Math.floor(element / perRow)}][${element % perRow}]`;
  }
  return `word[${where}]`;
}

/** A column that carries its place: `byteOffset` is an accessor, and V8 does not always inline it (a fifth of a page fault). */
interface Placed { readonly firstWord?: number }

function viewColumn(buffer: ArrayBuffer, type: ColumnType, offset: number, length: number): ColumnView<ColumnType> {
  return Object.assign(newColumn(buffer, type, offset, length), { firstWord: offset >>> 2 } satisfies Placed);
}

function newColumn(buffer: ArrayBuffer, type: ColumnType, offset: number, length: number): ColumnView<ColumnType> {
  switch (type) {
    case 'u8': return new Uint8Array(buffer, offset, length);
    case 'u16': return new Uint16Array(buffer, offset, length);
    case 'u32': return new Uint32Array(buffer, offset, length);
    case 'i32': return new Int32Array(buffer, offset, length);
    case 'f64': return new Float64Array(buffer, offset, length);
  }
}

function alignUp(value: number, to: number): number {
  return Math.ceil(value / to) * to;
}
