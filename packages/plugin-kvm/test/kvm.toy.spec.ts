// KVM's fault protocols against every call under both designs, and lines of KVM that matter, taken away or moved.
import { join } from 'node:path';
import { linkRace } from '@mmun/build/link-race';
import * as image from '@mmun/image';
import type { Design } from '@mmun/include';
import type { checkRace, checkableOf, Race, RaceImage, SourceEdit } from '@mmun/races';
import { effort } from '@mmun/test-support';
import { kvm } from '@mmun/plugin-kvm';
import { january2008, protocols, wrong } from './kvm-races.js';

interface Linked {
  readonly image: RaceImage;
  readonly checkRace: typeof checkRace;
  readonly checkableOf: typeof checkableOf;
  readonly user: { readonly races: readonly Race[] };
}

const design = image.config.design as Design;
/** What tells the rest, `pt-lock` under v5 and `retry` under range being those of the catalogue; all of them with MMUN_EFFORT=full. */
const QUICK = /^v5-retry-(dontneed-read|exit-read|mremap-read)$|^range-pt-lock-(mprotect-write|fork-read)$|^range-pinned-(munmap-read|exit-write)$/;
const QUICK_WRONG = /no-flush/;
/** What `auto` gives up before dpor is through, which takes it a minute: for a night. */
const HARD = /^range-[a-z-]*(dontneed|cow|truncate)-(read|write)$/;
const DEPTH = effort(0, 1, 2);
const isAsked = (id: string, quick: RegExp): boolean => id.startsWith(`${design}-`) && (quick.test(id) || DEPTH === 2 || (DEPTH === 1 && !HARD.test(id)));

/** What is linked unchanged; once. */
let unchanged: Promise<Linked> | null = null;

async function link(edits: readonly SourceEdit[]): Promise<Linked> {
  return (await linkRace({ race: join(__dirname, 'kvm-races.ts'), image: design === 'v5' ? 'toy' : 'toy-range', edits: [...edits] })) as Linked;
}

async function check(id: string, variant: 'buggy' | 'fixed', strategy: 'auto' | 'dpor' = 'auto'): Promise<Awaited<ReturnType<typeof checkRace>>> {
  const edit = variant === 'buggy' ? wrong.find((race) => race.id === id)?.variants.buggy.edit : undefined;
  const linked = await (edit === undefined ? unchanged ??= link([]) : link([edit].flat()));
  const race = linked.user.races.find((one) => one.id === id) as Race;
  return linked.checkRace(linked.checkableOf(race), linked.image, { variant, strategy, maxMillis: 600_000, findsAll: january2008.some((one) => one.id === id) });
}

jest.setTimeout(700_000);

it('knows the designs that have notifiers, and is refused by the one that has none', () => {
  expect(image.secondaryMmuRefusal(kvm)).toBe(design === 'off' ? 'plugin `kvm` does not know notifier design `off`: it has ops for v5, range' : '');
});

const asked = protocols.map(({ id }) => id).filter((id) => isAsked(id, QUICK));
if (asked.length > 0) {
  it.each(asked)('%s: no entry outlives its pte or allows more, in any interleaving', async (id) => {
    const { findings, exhaustive } = await check(id, 'fixed', HARD.test(id) ? 'dpor' : 'auto');
    expect({ findings, exhaustive }).toEqual({ findings: [], exhaustive: true });
  });
}

const convicted = wrong.map(({ id }) => id).filter((id) => isAsked(id, QUICK_WRONG));
if (convicted.length > 0) {
  it.each(convicted)('%s is convicted, and acquitted without its line', async (id) => {
    const finds = wrong.find((race) => race.id === id)?.finds;
    expect(finds).toContain((await check(id, 'buggy')).findings[0]?.code);
    const { findings, exhaustive } = await check(id, 'fixed');
    expect({ findings, exhaustive }).toEqual({ findings: [], exhaustive: true });
  });
}

const pinned = january2008.map(({ id }) => id).filter((id) => isAsked(id, /-dontneed-read$/));
if (pinned.length > 0) {
  it.each(pinned)('%s: KVM of January 2008 reaches no page of someone else, and not always the one of its process', async (id) => {
    const { findings } = await check(id, 'fixed');
    for (const { message } of findings) expect(message).not.toMatch(/is free/);
    const isCoherent = /-(mprotect-read|exit-read|exit-write)$/.test(id);
    expect([id, findings.map(({ code }) => code)]).toEqual([id, isCoherent ? [] : expect.arrayContaining([expect.stringMatching(/^(incoherent|stale-after-return|stale-translation|excess-permission)$/)])]);
  });
}
