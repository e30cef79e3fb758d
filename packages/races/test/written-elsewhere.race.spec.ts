// What docs/writing-a-race.md offers is enough: a wrong program of each kind is convicted, and its twin is clean.
import { join } from 'node:path';
import { effort } from '@mmun/test-support';
import { checkOwn } from '@mmun/test-support/linked-races';
import { elsewhere } from './written-elsewhere.js';

const PROGRAMS = join(__dirname, 'written-elsewhere.ts');
const IDS = ['own-driver', 'work-cancelled', 'two-plugins', 'hole-in-another-process', 'written-back', 'pinned-by-gup-fast', 'out-and-in', 'no-memory'];
/** Each links a kernel of its own, but for the one that is looked at every day. */
const EDITED: readonly string[] = ['written-back', 'pinned-by-gup-fast', 'out-and-in'];
const quick = IDS.filter((id) => effort(0, 1) === 1 || !EDITED.includes(id));

it.each(quick)('%s: the wrong one is convicted', async (id) => {
  const { findings: [finding] } = await checkOwn(PROGRAMS, id, { variant: 'buggy' });
  expect(elsewhere.find((race) => race.id === id)?.finds).toContain(finding?.code);
});

it.each(quick)('%s: its twin is clean', async (id) => {
  const { findings, exhaustive } = await checkOwn(PROGRAMS, id, { variant: 'fixed' });
  expect({ findings, exhaustive }).toEqual({ findings: [], exhaustive: true });
});
