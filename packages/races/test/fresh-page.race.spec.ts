/**
 * What a step reads without a lock it names, or dpor takes two orders for one: here reclaim, which looks at frames that
 * another CPU is just giving out.
 */
import { join } from 'node:path';
import { linkRace } from '@mmun/build/link-race';
import { later } from '@mmun/test-support';

type Program = typeof import('./fresh-page-program.js');
type Edit = { readonly file: string; readonly find: string; readonly replace: string };

async function linked(...edits: Edit[]): Promise<Program> {
  const { user } = (await linkRace({ race: join(import.meta.dirname, 'fresh-page-program.ts'), image: 'toy', edits })) as { user: Program };
  return user;
}

const UNNAMED: Edit = { file: 'mm/src/swap.ts', find: '  touch(m, READ, whereOf(m.framePool.head.used, 0));\n', replace: '' };

it.each(['dpor', 'stateful'] as const)('a page can be swapped out as soon as it is there: %s', async (strategy) => {
  expect((await linked()).freshPage({ strategy })).toMatchObject({ exhaustive: true, findings: [], ends: ['in memory', 'out'] });
});

later(it.skip, it)('the audit tells where reclaim does not say that it has looked which frames there are', async () => {
  expect((await linked()).auditFreshPage().faults).toEqual([]);
  expect((await linked(UNNAMED)).auditFreshPage().faults).toEqual(expect.arrayContaining([expect.stringContaining('reclaim: acquire')]));
});
