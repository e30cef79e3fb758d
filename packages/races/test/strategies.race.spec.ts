/** Two searches that share hardly any code say the same of every variant: what one calls clean, the other has not convicted. */
import type { CheckReport } from '@mmun/races';
import { allRaces } from '@mmun/races';
import { checkKnown } from '@mmun/test-support/linked-races';
import { effort, later } from '@mmun/test-support';

jest.setTimeout(effort(60_000, 120_000));

const MILLIS = effort(5000, 20_000);
const QUICK: readonly (readonly [string, string])[] = [['mremap-late-flush', 'buggy'], ['mremap-late-flush', 'fixed'], ['munmap-read', 'buggy']];
const ALL: readonly (readonly [string, string])[] = allRaces.flatMap(({ id, variants }) => [...variants.keys()].map((name) => [id, name] as const));

later(it.skip, it).each(effort(0, 1) === 1 ? ALL : QUICK)('%s, %s: dpor and stateful agree', async (id, variant) => {
  const reports: CheckReport[] = [];
  for (const strategy of ['dpor', 'stateful'] as const) {
    try {
      reports.push(await checkKnown(id, { variant, strategy, maxMillis: MILLIS }));
    } catch (error) {
      // a race that watches plain fields wants whole executions
      expect(String(error)).toContain('--strategy stateful');
      return;
    }
  }
  const isConvicted = reports.map(({ findings }) => findings.length > 0);
  const isClean = reports.map(({ exhaustive }, i) => exhaustive && isConvicted[i] === false);
  expect([isClean[0] && isConvicted[1], isClean[1] && isConvicted[0]]).toEqual([false, false]);
});
