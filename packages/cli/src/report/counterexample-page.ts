/** `mmun check --report`: the finding as a page. */
import type { CounterexampleData } from '@mmun/viewer';
import type { CheckFinding, CheckReport } from '@mmun/races';

/** @param again the command that shows it again; empty where none does */
export function counterexamplePage({ race, title, variant, config }: CheckReport, finding: CheckFinding, again: string): CounterexampleData {
  const { arch, design, build } = config;
  return {
    kind: 'counterexample', race, title, variant, again,
    config: arch === 'none' ? 'primitives only, no kernel' : `${arch}, notifier ${design}, ${build} build`,
    code: finding.code, message: finding.message.replaceAll('`', ''), why: finding.why ?? '',
    steps: finding.steps.map(({ held = [], fn = '', isPreemption = false, isBreach = false, ...step }) => ({ ...step, held, fn, isPreemption, isBreach })),
    moments: finding.scenes ?? [], breach: finding.place ?? null,
  };
}
