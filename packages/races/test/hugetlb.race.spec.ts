// Huge pages: v5 is blind to fork, COW and mprotect of them and names one page of many; the range design of 4.12 forgets what a shared table spans.
import { linkRace } from '@mmun/build/link-race';
import { catalogue } from '@mmun/races';
import { effort } from '@mmun/test-support';
import type { Checkable, CheckOptions, CheckReport, RaceImage } from '@mmun/races';

jest.setTimeout(120_000);

interface Linked {
  readonly image: RaceImage;
  readonly catalogue: readonly Checkable[];
  checkRace(race: Checkable, image: RaceImage | null, options: CheckOptions): Promise<CheckReport>;
}

async function check(id: string, options: CheckOptions): Promise<CheckReport> {
  const plan = catalogue.find((race) => race.id === id)?.variants.get(options.variant);
  const linked = (await linkRace({ image: plan?.image ?? 'toy', edits: plan?.edits ?? [] })) as Linked;
  return linked.checkRace(linked.catalogue.find((race) => race.id === id) as Checkable, plan?.image === null ? null : linked.image, options);
}

const ids = catalogue.map(({ id }) => id).filter((id) => id.startsWith('hugetlb-'));
/** All orderings of the others take long: they run where all is looked at. */
const QUICK = effort(2, ids.length);
const SHORTEST_FIRST = ['hugetlb-mprotect', 'hugetlb-munmap', ...ids.filter((id) => id !== 'hugetlb-mprotect' && id !== 'hugetlb-munmap')];

it.each(ids)('%s is convicted where it is wrong', async (id) => {
  const { findings } = await check(id, { variant: 'buggy' });
  expect(catalogue.find((race) => race.id === id)?.finds).toContain(findings[0]?.code);
  expect(findings[0]?.minimal).toBe(true);
});

it.each(SHORTEST_FIRST.slice(0, QUICK))('%s is clean in every interleaving where it is right', async (id) => {
  const { findings, exhaustive } = await check(id, { variant: 'fixed' });
  expect({ findings, exhaustive }).toEqual({ findings: [], exhaustive: true });
});
