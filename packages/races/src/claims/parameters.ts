/** What the compiler sees of a call when the notifier is off: C12, C13. */
import type { Claim, Compiled, Lab } from './claim.js';
import { Unsettled } from './claim.js';

type Design = 'v5' | 'range' | 'off';
const DESIGNS: readonly Design[] = ['v5', 'range', 'off'];
const ENTRY: Readonly<Record<Design, string>> = { v5: '@mmun/mmu-notifier', range: '@mmun/mmu-notifier/range', off: '@mmun/mmu-notifier/off' };

const CALLS: readonly string[] = [
  "mmuNotifier(m, mm, 'invalidatePage', address)",
  "mmuNotifier(m, mm, 'invalidatePge', address)",
  "mmuNotifier(m, address, 'invalidatePage', address)",
  "mmuNotifier(m, mm, 'invalidatePage', pfn)",
  "mmuNotifier(m, mm, 'invalidatePages', address)",
];

function moduleOf(call: string, design: Design): string {
  return `import type { Mm, Pfn, Step, Task, Vaddr } from '@mmun/include';
import { mmuNotifier } from '${ENTRY[design]}';
import type { NotifierHost } from '${ENTRY[design]}';
declare const m: NotifierHost, mm: Mm, address: Vaddr, pfn: Pfn;
export function* hook(): Task<Step> { yield* ${call}; }
`;
}

async function compiled(lab: Lab, says: string, calls: readonly string[] = CALLS): Promise<Compiled & { readonly isSound: boolean }> {
  const rows: Compiled['rows'][number][] = [];
  for (const source of calls) for (const design of DESIGNS) rows.push({ source, design, errors: await lab.typeErrors(moduleOf(source, design), design) });
  const isSound = rows.every(({ source, errors }) => (errors.length === 0) === (source === CALLS[0]));
  return { kind: 'compiled', says, rows, isSound };
}

const c12: Claim = {
  id: 'C12', text: '"it should also checks the parameter types"', means: 'A call that is compiled out is checked all the same: a wrong op or argument is an error whether or not the notifier is built.',
  run: async (lab) => {
    const evidence = await compiled(lab, 'a right call, and four that are wrong, compiled against each design');
    return { verdict: evidence.isSound ? 'holds' : 'refuted', by: 'The right call compiles and each wrong one is refused, in the same words, by the design that calls and by those that do nothing.', evidence: [evidence] };
  },
};

/** `next()` is an argument with a side effect: how often does it happen? */
const ONCE = (entry: string): string => `
import { mmuNotifierMmInit } from '${entry}';
let evaluated = 0;
const next = () => { evaluated++; return 1; };
const m = { notifierHead: { first: new Uint32Array(4), lock: new Int32Array(4), isSet: new Uint32Array(4) } };
mmuNotifierMmInit(m, next());
export default evaluated;`;

const c13: Claim = {
  id: 'C13', text: '"it would already work fine"', means: 'A static inline function would do what the empty macro does.',
  run: async (lab) => {
    const rows: string[][] = [];
    for (const design of DESIGNS) {
      const image = design === 'v5' ? 'x86-fast' : `x86-${design}-fast`;
      const evaluated = await lab.evaluate(ONCE(ENTRY[design]), image);
      if (typeof evaluated !== 'number') throw new Unsettled(`${design}: the module has no number`);
      rows.push([design, String(evaluated)]);
    }
    const evidence = await compiled(lab, 'as an inline function: a right call and a wrong one', CALLS.slice(0, 2));
    const isOnce = rows.every(([, evaluated]) => evaluated === '1');
    return {
      verdict: evidence.isSound && isOnce ? 'holds' : 'refuted',
      by: 'The empty functions refuse what the others refuse and cost nothing. One thing differs from the macro, which the reviewers named later: an argument with a side effect is evaluated once under each design, where the empty macro drops it and the other one evaluates it twice.',
      evidence: [evidence, { kind: 'measured', says: 'an argument with a side effect, handed to the hook of a new mm', columns: ['design', 'evaluated'], rows }],
    };
  },
};

export const parameters: readonly Claim[] = [c12, c13];
