import type { Design } from '@mmun/include';
import * as asm from '#asm';
import * as generic from '@mmun/arch-generic';
import * as notifier from '#mmu-notifier';
import { image } from '@mmun/test-support';
import { HOOK_OPS, debugVmPgtable, hooksOf, pageTable, writable } from './debug-vm-pgtable.js';

it('the arch under test is the one that the image links', () => {
  expect(asm.ARCH).toBe(image().arch);
});

debugVmPgtable(asm);

/** Not as a type: what is linked decides. */
const DESIGN = notifier.DESIGN as Design;

describe('which operation calls which hook', () => {
  const linked: Record<string, unknown> = { ...asm };
  const inherited: Record<string, unknown> = { ...generic };
  /** The golden matrix: history 1.4 and 1.5, by arch that is linked. `own`: not arch-generic's function. */
  const S390 = ['ptepGetAndClear', 'ptepGetAndClearFull', 'ptepSetWrprotect', 'ptepSetAccessFlags', 'ptepTestAndClearYoung', 'ptepClearFlush', 'ptepClearFlushYoung'];
  const OVERRIDES: Record<string, readonly string[]> = {
    generic: [],
    s390: S390,
    's390-256': S390,
    toy: ['ptepGetAndClear', 'ptepSetWrprotect', 'ptepSetAccessFlags', 'ptepTestAndClearYoung'],
    x86: ['ptepGetAndClear', 'ptepGetAndClearFull', 'ptepSetWrprotect', 'ptepSetAccessFlags', 'ptepTestAndClearYoung', 'ptepModifyRange', 'ptepMoveRange'],
  };
  /** What v5 has in the macros. Where an arch overrides ptep_clear_flush_young nobody is asked: there v5 is blind (C4b). */
  const HOOKED: Record<string, readonly string[]> = { ptepClearFlush: ['invalidatePage'], ptepMoveRange: ['invalidatePage'], ptepClearFlushYoung: ['agePage'] };
  const BLIND: Record<string, readonly string[]> = { s390: ['ptepClearFlushYoung'], 's390-256': ['ptepClearFlushYoung'] };
  const isBlind = (op: string): boolean => (BLIND[asm.ARCH] ?? []).includes(op);
  const hooksWanted = (op: string): readonly string[] => (DESIGN !== 'v5' || isBlind(op) ? [] : (HOOKED[op] ?? []));
  const LAYOUT_OPS = ['setPteAt', 'ptepCopy', 'pteClear'];

  it('each operation calls what v5 hooks and nothing else; without notifiers none calls anything', () => {
    const called = HOOK_OPS.map((op) => [op, hooksOf(asm, op).map((hook) => hook.op)]);
    expect(called).toEqual(HOOK_OPS.map((op) => [op, hooksWanted(op)]));
  });

  it('an arch overrides exactly what its 2.6.24 original overrides', () => {
    const wanted = OVERRIDES[asm.ARCH] ?? ['an arch without a row'];
    const own = HOOK_OPS.filter((op) => !LAYOUT_OPS.includes(op) && linked[op] !== inherited[op]);
    expect([...own].sort()).toEqual([...wanted].sort());
  });

  it('a secondary access makes a page young that no CPU has used, unless the arch overrides without a hook', () => {
    const t = pageTable(asm, 1);
    t.run(asm.setPteAt(t.m, 1 as never, t.address, t.ptep, asm.pteMkold(writable(asm))));
    expect(t.run(asm.ptepClearFlushYoung(t.m, 1 as never, t.address, t.ptep))).toBe(hooksWanted('ptepClearFlushYoung').length);
  });
});
