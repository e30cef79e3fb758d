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

/** In the order of what they cost: all orderings of the last ones take long, and run where all is looked at. */
const ids = ['hugetlb-mprotect', 'hugetlb-fork', 'hugetlb-cow', 'hugetlb-munmap', 'hugetlb-unshare-range'];

it.each(ids.slice(0, effort(2, ids.length)))('%s is convicted where it is wrong', async (id) => {
  const { findings } = await check(id, { variant: 'buggy' });
  expect(catalogue.find((race) => race.id === id)?.finds).toContain(findings[0]?.code);
  expect(findings[0]?.minimal).toBe(true);
});

it.each(ids.slice(0, effort(1, ids.length)))('%s is clean in every interleaving where it is right', async (id) => {
  const { findings, exhaustive } = await check(id, { variant: 'fixed' });
  expect({ findings, exhaustive }).toEqual({ findings: [], exhaustive: true });
});
