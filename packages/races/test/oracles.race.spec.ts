// Every oracle convicts a wrong program and acquits one that differs from it in a line.
import { join } from 'node:path';
import { linkRace } from '@mmun/build/link-race';
import type { checkRace, checkableOf, Checkable, Race, RaceImage } from '@mmun/races';

interface Linked {
  readonly image: RaceImage;
  readonly checkRace: typeof checkRace;
  readonly checkableOf: typeof checkableOf;
  readonly user: { readonly wrong: readonly Race[] };
}

const PROGRAMS = join(__dirname, 'wrong-programs.ts');

async function check(id: string, variant: 'buggy' | 'fixed', strategy: 'auto' | 'dpor' | 'stateful' = 'auto'): Promise<Awaited<ReturnType<typeof checkRace>>> {
  const first = (await linkRace({ race: PROGRAMS })) as Linked;
  const plan = raceIn(first, id).variants.get(variant);
  const image: string = plan?.image ?? 'toy';
  const edits = plan?.edits ?? [];
  const linked = image === 'toy' && edits.length === 0 ? first : ((await linkRace({ race: PROGRAMS, image, edits })) as Linked);
  return linked.checkRace(raceIn(linked, id), linked.image, { variant, strategy, findsAll: variant === 'buggy' });
}

function raceIn({ user, checkableOf: of }: Linked, id: string): Checkable {
  return of(user.wrong.find((race) => race.id === id) as Race);
}

const CODES = [
  'lost-dirty', 'lost-write', 'cow-leak', 'use-after-free', 'double-free', 'sleep-in-atomic', 'lock-order', 'deadlock', 'self-deadlock', 'lock-misuse',
  'rcu-misuse', 'unbalanced-range', 'callback-after-unregister', 'missed-release', 'refcount-leak', 'data-race', 'retry-livelock',
];

describe.each(CODES)('%s', (code) => {
  // a search that leaves out orderings must not leave out what an oracle would have said of them
  it('is found in the wrong program, by either exhaustive search', async () => {
    for (const strategy of ['dpor', 'stateful'] as const) {
      if (strategy === 'stateful' && code === 'data-race') continue;
      const { findings } = await check(code, 'buggy', strategy);
      expect([strategy, findings.map((finding) => finding.code)]).toEqual([strategy, expect.arrayContaining([code])]);
    }
  });

  it('is not found in its twin, and nothing else is, in any interleaving', async () => {
    const { findings, exhaustive } = await check(code, 'fixed');
    expect({ findings: findings.map((finding) => [finding.code, finding.message]), exhaustive }).toEqual({ findings: [], exhaustive: true });
  });
});
