/** What archs override, and whether the hook is in there: C4a, C4b, C5. */
import { MADV_COLD, PAGE_SIZE } from '@mmun/include';
import type { TaskStruct, Vaddr } from '@mmun/include';
import type { Claim, Lab, LabImage, Measured } from './claim.js';
import { Unsettled } from './claim.js';
import { clean, convicted } from './explored.js';
import { openBench } from './measure.js';
import { REAL } from './page-table-lock.js';

const BASE = 0x40000000;

/** By arch: which of the hooked primitives are its own. */
type Overrides = Readonly<Record<string, Readonly<Record<string, boolean>>>>;

const HOOKED: readonly string[] = ['ptepClearFlush', 'ptepClearFlushYoung'];

async function overridesOf(lab: Lab): Promise<Overrides> {
  const source = `
import * as generic from '@mmun/arch-generic';
import * as x86 from '@mmun/arch-x86';
import * as s390 from '@mmun/arch-s390';
const own = (arch) => Object.fromEntries(${JSON.stringify(HOOKED)}.map((name) => [name, arch[name] !== generic[name]]));
export default { x86: own(x86), s390: own(s390), generic: own(generic) };`;
  return await lab.evaluate(source, 'generic') as Overrides;
}

/** Breaking copy-on-write goes through ptep_clear_flush. @returns calls of invalidate_page */
function toldOfCow(image: LabImage): number {
  const bench = openBench(image);
  bench.fill(bench.mmap(BASE, 1), 1);
  const child = bench.run(image.sysClone(bench.m, 0)) as TaskStruct;
  if (child <= 0) throw new Unsettled('fork failed');
  bench.calls.length = 0;
  bench.fill(BASE, 1);
  return bench.counts().invalidatePage ?? 0;
}

const AGED = 8;

/** Reclaim looks at pages that nobody used. @returns how often the notifier was asked for their age */
function askedForAge(image: LabImage): number {
  const bench = openBench(image, { config: { nrSwapSlots: 64 } });
  const { m } = bench;
  bench.fill(bench.mmap(BASE, AGED), AGED);
  bench.run(image.sysMadvise(m, BASE as Vaddr, AGED * PAGE_SIZE, MADV_COLD));
  bench.calls.length = 0;
  bench.run(image.shrinkZone(m, AGED));
  return bench.counts().agePage ?? 0;
}

async function matrix(lab: Lab): Promise<Measured & { readonly cow: readonly number[]; readonly age: readonly number[] }> {
  const overrides = await overridesOf(lab);
  const cow: number[] = [];
  const age: number[] = [];
  const rows: string[][] = [];
  for (const arch of REAL) {
    const image = await lab.image(arch);
    cow.push(toldOfCow(image));
    age.push(askedForAge(image));
    const own = overrides[arch] ?? {};
    rows.push([arch, own['ptepClearFlush'] === true ? 'its own' : 'generic', String(cow.at(-1)), own['ptepClearFlushYoung'] === true ? 'its own' : 'generic', String(age.at(-1))]);
  }
  return {
    kind: 'measured', says: `one copy-on-write break, and reclaim of ${AGED} pages: is the notifier called?`,
    columns: ['arch', 'ptep_clear_flush', 'invalidate_page calls', 'ptep_clear_flush_young', 'age_page calls'], rows, cow, age,
  };
}

const c4a: Claim = {
  id: 'C4a', text: '"Yes, s390 is the only one"', means: 's390 alone overrides ptep_clear_flush, and the patch put the hook there.',
  run: async (lab) => {
    const table = await matrix(lab);
    const owners = REAL.filter((_, i) => table.rows[i]?.[1] === 'its own');
    const isHooked = table.cow.every((calls) => calls === 1);
    return {
      verdict: owners.join() === 's390' && isHooked ? 'holds' : 'refuted',
      by: `Of the archs that are built here s390 alone has its own, and there as elsewhere one break of copy-on-write is one call. The tree of 2.6.24 has no other either.`,
      evidence: [table],
    };
  },
};

const c4b: Claim = {
  id: 'C4b', text: '"Obviously I checked them all yes"', means: 'No arch bypasses a hook by a primitive of its own.',
  run: async (lab) => {
    const table = await matrix(lab);
    const deaf = REAL.filter((_, i) => table.age[i] === 0);
    if (!REAL.some((_, i) => (table.age[i] ?? 0) > 0)) throw new Unsettled('no arch was asked for the age of a page');
    const evidence = [
      table,
      await convicted(lab, { race: 'asked-for-its-age', variant: 'buggy', says: 'two cold pages, a device that uses the older one, and kswapd wants one: with an override as i386, s390 and ppc64 had it' }),
      await clean(lab, { race: 'asked-for-its-age', variant: 'fixed', says: 'the same with the generic macro' }),
    ];
    return {
      verdict: deaf.length > 0 ? 'refuted' : 'holds',
      by: `The other hooked macro was missed: ${deaf.join(', ')} overrides ptep_clear_flush_young, and nobody ever calls age_page there. i386 and ppc64 did the same in 2.6.24, and x86-64 from 2.6.25 on. What a device uses is then the first to be swapped out. On s390 the storage key sees an access of any kind and softens it; on i386 nothing did.`,
      evidence,
    };
  },
};

const c5: Claim = {
  id: 'C5', text: '"no ptep_clear_flush override on x86"', means: 'x86 inherits ptep_clear_flush, hook and all.',
  run: async (lab) => {
    const table = await matrix(lab);
    const row = table.rows[REAL.indexOf('x86')];
    return {
      verdict: row?.[1] === 'generic' && row[2] === '1' ? 'holds' : 'refuted',
      by: 'x86 has the generic one, and its call is made. The question was about "one override of these functions", and 32-bit x86 had one: of the young variant (C4b).',
      evidence: [table],
    };
  },
};

export const archOverrides: readonly Claim[] = [c4a, c4b, c5];
