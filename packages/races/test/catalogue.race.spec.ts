// The table of the first races: v5 is right where entries are made under the PT lock, and wrong at fork; an entry made later is wrong everywhere.
import { linkRace } from '@mmun/build/link-race';
import { catalogue } from '@mmun/races';
import type { Checkable, CheckOptions, CheckReport, RaceImage } from '@mmun/races';

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

const onTheRealMm = catalogue.filter(({ variants }) => variants.get('fixed')?.image === 'toy').map(({ id }) => id);

it('holds device reads and writes against every call that changes a pte', () => {
  const calls = ['munmap', 'mprotect', 'dontneed', 'cow', 'exit', 'fork', 'mremap', 'reclaim', 'truncate', 'unregister'];
  expect(onTheRealMm).toEqual(calls.flatMap((call) => [`${call}-read`, `${call}-write`]));
});

describe.each(onTheRealMm)('%s', (id) => {
  it('is clean in every interleaving where it is right', async () => {
    const { findings, exhaustive } = await check(id, { variant: 'fixed' });
    expect({ findings, exhaustive }).toEqual({ findings: [], exhaustive: true });
  });

  it('is convicted where it is wrong, with a counterexample that names kernel functions, lines, locks and the reason', async () => {
    const { findings: [finding] } = await check(id, { variant: 'buggy' });
    expect(catalogue.find((race) => race.id === id)?.finds).toContain(finding?.code);
    expect(finding?.minimal).toBe(true);
    expect(finding?.replay.length).toBeLessThanOrEqual(80);
    expect(finding?.why).toMatch(/step \d+\).*(changed the pte|freed the frame).*notifier/);
    for (const { file, line } of finding?.steps ?? []) expect([file, line]).toEqual([expect.stringMatching(/^packages\/[a-z-]+\/src\/[a-z/-]+\.ts$/), expect.any(Number)]);
    expect(finding?.steps.some((step) => ((step as { held?: string[] }).held ?? []).length > 0)).toBe(true);
  });
});

it('repeats a counterexample from its replay string alone', async () => {
  const { findings: [first] } = await check('munmap-read', { variant: 'buggy' });
  const { findings: [again], notes } = await check('munmap-read', { variant: 'buggy', replay: first?.replay ?? '' });
  expect({ ...again, minimal: true }).toEqual(first);
  expect(notes).toEqual([]);
});

it('says where a replay string no longer fits, and does not call that well', async () => {
  const { ok, findings, notes } = await check('munmap-read', { variant: 'fixed', replay: 'start:dev0,dev0.w9.mm.mmUsers.1:cpu0~abcd' });
  expect({ ok, findings }).toEqual({ ok: false, findings: [] });
  expect(notes.join()).toMatch(/after step \d+: the place `dev0\.w9\.mm\.mmUsers\.1` \(2 of 2\) never came/);
});

it('gives one verdict by dpor and by stateful', async () => {
  for (const id of ['munmap-write', 'cow-read', 'exit-write']) {
    for (const variant of ['buggy', 'fixed']) {
      const codes = async (strategy: 'dpor' | 'stateful'): Promise<string[]> => (await check(id, { variant, strategy, findsAll: true })).findings.map(({ code }) => code).sort();
      expect([id, variant, await codes('dpor')]).toEqual([id, variant, await codes('stateful')]);
    }
  }
});

it('stays clean with another thread of the process writing to the page', async () => {
  for (const id of ['munmap-write', 'mprotect-write', 'dontneed-read', 'cow-read']) {
    const { findings, exhaustive } = await check(id, { variant: 'fixed', strategy: 'stateful', set: { writers: 1 } });
    expect([id, findings, exhaustive]).toEqual([id, [], true]);
  }
});

it('says that a search that was stopped is not exhaustive', async () => {
  const { exhaustive, notes, executions, ok } = await check('dontneed-write', { variant: 'fixed', strategy: 'dpor', maxExecutions: 3 });
  expect({ exhaustive, executions, ok }).toEqual({ exhaustive: false, executions: 3, ok: true });
  expect(notes).toContain('stopped after 3 executions: not exhaustive');
});
