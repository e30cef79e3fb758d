/**
 * Handles 1 up to capacity-1, given out and taken back in constant time.
 *
 *   next   free list through the table; a handle above `bump` was never used
 *   gen    odd while the handle is live, one higher after each alloc and free,
 *          so that a handle kept too long is a fact and not a guess
 *
 * The last freed handle is given out first, as a slab's free list does.
 */
import { reserve, viewTable } from './layout.js';
import type { Layout, Reserved, Table } from './layout.js';
import { bugOn } from './bug.js';

/** For tables that are not reserved through a Layout, such as a plugin's: `{ rows, head, capacity }` of these is a Pool. */
export const POOL_ROW_SPEC = { next: 'u32', gen: 'u32' } as const;
export const POOL_HEAD_SPEC = { free: 'u32', bump: 'u32', used: 'u32' } as const;

export interface Pool {
  readonly rows: Table<typeof POOL_ROW_SPEC>;
  readonly head: Table<typeof POOL_HEAD_SPEC>;
  readonly capacity: number;
}

export interface ReservedPool {
  readonly rows: Reserved<typeof POOL_ROW_SPEC>;
  readonly head: Reserved<typeof POOL_HEAD_SPEC>;
  readonly capacity: number;
}

/** @param capacity rows of the table that the pool belongs to, row 0 included */
export function reservePool(layout: Layout, name: string, capacity: number): ReservedPool {
  return { rows: reserve(layout, `${name}.pool`, capacity, POOL_ROW_SPEC), head: reserve(layout, `${name}.poolHead`, 1, POOL_HEAD_SPEC), capacity };
}

export function viewPool(buffer: ArrayBuffer, reserved: ReservedPool): Pool {
  return { rows: viewTable(buffer, reserved.rows), head: viewTable(buffer, reserved.head), capacity: reserved.capacity };
}

/** @returns a handle, or 0 when the pool is full. @hot */
export function poolAlloc(pool: Pool): number {
  const { rows, head } = pool;
  const index = head.free[0];
  if (index === 0) return poolGrow(pool);
  head.free[0] = rows.next[index];
  rows.gen[index] = rows.gen[index] + 1;
  head.used[0] = head.used[0] + 1;
  return index;
}

/** A handle that was never used. */
function poolGrow({ rows, head, capacity }: Pool): number {
  const index = head.bump[0] + 1;
  if (index >= capacity) return 0;
  head.bump[0] = index;
  rows.gen[index] = rows.gen[index] + 1;
  head.used[0] = head.used[0] + 1;
  return index;
}

export function poolFree(pool: Pool, index: number): void {
  bugOn(!poolIsLive(pool, index), 'pool-double-free');
  const { rows, head } = pool;
  rows.gen[index] = rows.gen[index] + 1;
  rows.next[index] = head.free[0];
  head.free[0] = index;
  head.used[0] = head.used[0] - 1;
}

export function poolIsLive(pool: Pool, index: number): boolean {
  return (pool.rows.gen[index] & 1) === 1;
}

/** Handles in use. */
export function poolUsed(pool: Pool): number {
  return pool.head.used[0];
}

/** Highest handle ever given out: where a walk over all live handles may stop. */
export function poolHighest(pool: Pool): number {
  return pool.head.bump[0];
}
