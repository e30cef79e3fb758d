/**
 * How a table of the machine's buffer is described: a struct of arrays, one typed
 * array per field, all of one capacity. Row 0 of a table of handles is NULL.
 */
export type ColumnType = 'u8' | 'u16' | 'u32' | 'i32' | 'f64';

/** Field name to element type; a row of sixteen words would be `['u32', 16]`: type, elements per row. */
export type TableSpec = Readonly<Record<string, ColumnType | readonly [ColumnType, number]>>;

interface Arrays { readonly u8: Uint8Array; readonly u16: Uint16Array; readonly u32: Uint32Array; readonly i32: Int32Array; readonly f64: Float64Array }

/** The array that a column of type `T` is seen through. */
export type ColumnView<T> = T extends ColumnType ? Arrays[T] : T extends readonly [infer C extends ColumnType, number] ? Arrays[C] : never;

/** A table that has its memory: `table.field[row]`. */
export type Table<S extends TableSpec> = { readonly [K in keyof S]: ColumnView<S[K]> };
