// mm_users decides twice on s390 of 2.6.24, before IPTE and before the flush, and it is not the number of threads. The kernel is as shipped; the right one has a line changed.
import { linkRace } from '@mmun/build/link-race';
import { catalogue } from '@mmun/races';
import type { Checkable, CheckOptions, CheckReport, RaceImage } from '@mmun/races';

interface Linked {
  readonly image: RaceImage;
  readonly catalogue: readonly Checkable[];
  checkRace(race: Checkable, image: RaceImage | null, options: CheckOptions): Promise<CheckReport>;
}

async function check(id: string, variant: string): Promise<CheckReport> {
  const plan = catalogue.find((race) => race.id === id)?.variants.get(variant);
  expect(plan?.image).toBe('s390');
  const linked = (await linkRace({ image: 's390', edits: plan?.edits ?? [] })) as Linked;
  return linked.checkRace(linked.catalogue.find((race) => race.id === id) as Checkable, linked.image, { variant });
}

describe.each(['s390-flush-beside-proc', 's390-fork-beside-proc'])('%s', (id) => {
  it('takes one switch, between the change of the pte and the flush', async () => {
    const { findings: [finding] } = await check(id, 'buggy');
    expect(catalogue.find((race) => race.id === id)?.finds).toContain(finding?.code);
    expect(finding?.replay.match(/:proc/g)).toHaveLength(1);
  });

  it('is clean in every interleaving where the flush does not ask again', async () => {
    const { findings, exhaustive } = await check(id, 'fixed');
    expect({ findings, exhaustive }).toEqual({ findings: [], exhaustive: true });
  });
});
