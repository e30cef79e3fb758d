import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { KernelBug, allocate, nameOfWhere, newLayout, poolAlloc, poolFree, poolIsLive, poolUsed, reserve, reservePool, viewPool, viewTable, whereOf } from '@mmun/lib';

describe('layout', () => {
  const spec = { a: 'u8', b: 'f64', c: 'i32', d: ['u32', 3] } as const;

  it('columns of one buffer never overlap and word 0 belongs to nobody', () => {
    const layout = newLayout();
    const first = reserve(layout, 'first', 5, spec);
    const second = reserve(layout, 'second', 3, spec);
    const buffer = allocate(layout);
    const tables = [viewTable(buffer, first), viewTable(buffer, second)];
    const columns = tables.flatMap((t) => [t.a, t.b, t.c, t.d]);
    const spans = columns.map((c) => [c.byteOffset, c.byteOffset + c.byteLength]).sort((x, y) => (x[0] as number) - (y[0] as number));
    spans.reduce((end, [from, to]) => { expect(from).toBeGreaterThanOrEqual(end as number); return to as number; }, 64);
    expect(buffer.byteLength).toBeGreaterThanOrEqual(spans.at(-1)?.[1] as number);
  });

  it('a word is named by its table, field, row and place in the row', () => {
    const layout = newLayout();
    const reserved = reserve(layout, 'vma', 4, spec);
    const table = viewTable(allocate(layout), reserved);
    expect(nameOfWhere(layout, whereOf(table.c, 2))).toBe('vma.c[2]');
    expect(nameOfWhere(layout, whereOf(table.d, 7))).toBe('vma.d[2][1]');
    expect(nameOfWhere(layout, 0 as never)).toBe('word[0]');
  });

  it('a copy of the buffer is the machine: what was written comes back after a restore', () => {
    const layout = newLayout();
    const reserved = reserve(layout, 't', 4, spec);
    const buffer = allocate(layout);
    const table = viewTable(buffer, reserved);
    table.b[1] = 0x7fff_ffff_f000;
    const snapshot = buffer.slice(0);
    table.b[1] = 1;
    new Uint8Array(buffer).set(new Uint8Array(snapshot));
    expect(table.b[1]).toBe(0x7fff_ffff_f000);
  });
});

describe('pool', () => {
  const CAPACITY = 6;
  function pool() {
    const layout = newLayout();
    const reserved = reservePool(layout, 'p', CAPACITY);
    return viewPool(allocate(layout), reserved);
  }

  it('gives out each free handle once, never 0, and answers 0 when full', () => {
    fc.assert(fc.property(fc.array(fc.nat(CAPACITY)), (script) => {
      const p = pool();
      const live = new Set<number>();
      for (const step of script) {
        const victim = [...live][step];
        if (victim !== undefined) {
          poolFree(p, victim);
          live.delete(victim);
          expect(poolIsLive(p, victim)).toBe(false);
        } else {
          const handle = poolAlloc(p);
          if (live.size === CAPACITY - 1) expect(handle).toBe(0);
          else {
            expect(handle).toBeGreaterThan(0);
            expect(live.has(handle)).toBe(false);
            live.add(handle);
          }
        }
        expect(poolUsed(p)).toBe(live.size);
      }
    }));
  });

  it('stops at a handle that is freed twice', () => {
    const p = pool();
    const handle = poolAlloc(p);
    poolFree(p, handle);
    expect(() => poolFree(p, handle)).toThrow(KernelBug);
  });
});
