/** Does the kernel name what its steps touch? Every verdict "clean" of dpor and of stateful stands on it. */
import { linkRace } from '@mmun/build/link-race';
import type { StepAudit } from '@mmun/explorer';
import type { RaceImage } from '@mmun/races';
import { allRaces } from '@mmun/races';
import { effort } from '@mmun/test-support';

interface Linked {
  readonly image: RaceImage;
  readonly allRaces: typeof allRaces;
  auditSteps(program: unknown, maxStates: number): StepAudit;
}

async function audit(id: string, variant: string): Promise<StepAudit> {
  const { image = 'toy', edits = [] } = allRaces.find((race) => race.id === id)?.variants.get(variant) ?? {};
  const linked = (await linkRace({ image: image ?? 'toy', edits })) as Linked;
  const race = linked.allRaces.find((one) => one.id === id);
  if (race === undefined) throw new RangeError(id);
  const { program } = race.subject(variant, { ...race.parameters, ...race.variants.get(variant)?.parameters }, linked.image);
  return linked.auditSteps(program, effort(1500, edits.length === 0 ? 20_000 : 3000));
}

const QUICK: readonly (readonly [string, string])[] = [['exit-read', 'buggy'], ['reclaim-read', 'fixed'], ['munmap-write', 'fixed'], ['cow-read', 'fixed'], ['dontneed-read', 'range']];
const ALL: readonly (readonly [string, string])[] = allRaces.flatMap(({ id, variants }) => [...variants].filter(([, { image }]) => image !== null).map(([name]) => [id, name] as const));

it.each(effort(0, 1) === 1 ? ALL : QUICK)('%s, %s: steps that name nothing in common may change places', async (id, variant) => {
  const { states, faults } = await audit(id, variant);
  expect(states).toBeGreaterThan(10);
  expect(faults).toEqual([]);
});
