// What docs/writing-a-race.md offers is enough: a wrong program of each kind is convicted, and its twin is clean.
import { join } from 'node:path';
import { linkRace } from '@mmun/build/link-race';
import type { checkRace, checkableOf, Race, RaceImage } from '@mmun/races';

interface Linked {
  readonly image: RaceImage;
  readonly checkRace: typeof checkRace;
  readonly checkableOf: typeof checkableOf;
  readonly user: { readonly elsewhere: readonly Race[] };
}

const PROGRAMS = join(__dirname, 'written-elsewhere.ts');
const IDS = ['own-driver', 'work-cancelled', 'two-plugins', 'hole-in-another-process', 'written-back', 'pinned-by-gup-fast', 'out-and-in', 'no-memory'];

async function check(id: string, variant: 'buggy' | 'fixed'): ReturnType<typeof checkRace> {
  const first = (await linkRace({ race: PROGRAMS })) as Linked;
  const plan = first.checkableOf(first.user.elsewhere.find((race) => race.id === id) as Race).variants.get(variant);
  const linked = (await linkRace({ race: PROGRAMS, image: plan?.image ?? 'toy', edits: plan?.edits ?? [] })) as Linked;
  return linked.checkRace(linked.checkableOf(linked.user.elsewhere.find((race) => race.id === id) as Race), linked.image, { variant });
}

it.each(IDS)('%s: the wrong one is convicted', async (id) => {
  const { user } = (await linkRace({ race: PROGRAMS })) as Linked;
  const { findings: [finding] } = await check(id, 'buggy');
  expect(user.elsewhere.find((race) => race.id === id)?.finds).toContain(finding?.code);
});

it.each(IDS)('%s: its twin is clean', async (id) => {
  const { findings, exhaustive } = await check(id, 'fixed');
  expect({ findings, exhaustive }).toEqual({ findings: [], exhaustive: true });
});
