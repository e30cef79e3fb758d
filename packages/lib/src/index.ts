export { allocate, nameOfWhere, newLayout, reserve, viewTable, whereOf } from './layout.js';
export type { ColumnPlace, ColumnType, Layout, Reserved, Table, TableSpec } from './layout.js';
export { KernelBug, bugOn } from './bug.js';
export { POOL_HEAD_SPEC, POOL_ROW_SPEC, poolAlloc, poolFree, poolHighest, poolIsLive, poolUsed, reservePool, viewPool } from './pool.js';
export type { Pool, ReservedPool } from './pool.js';
export { LIST_POISON1, LIST_POISON2, hlistAddHead, hlistDel, hlistDelInit, hlistIsPoisoned, hlistUnhashed } from './hlist.js';
export type { HlistNodes } from './hlist.js';
