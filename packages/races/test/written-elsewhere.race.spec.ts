// What docs/writing-a-race.md offers is enough: a wrong program of each kind is convicted, and its twin is clean.
import { join } from 'node:path';
import { later } from '@mmun/test-support';
import { checkOwn } from '@mmun/test-support/linked-races';
import { elsewhere } from './written-elsewhere.js';

const PROGRAMS = join(__dirname, 'written-elsewhere.ts');
const IDS = ['own-driver', 'work-cancelled', 'two-plugins', 'hole-in-another-process', 'written-back', 'pinned-by-gup-fast', 'out-and-in', 'no-memory'];
/** The others link a kernel each, or say what these say. */
const quick = later(['work-cancelled', 'no-memory'], IDS);

it.each(quick)('%s: the wrong one is convicted', async (id) => {
  const { findings: [finding] } = await checkOwn(PROGRAMS, id, { variant: 'buggy' });
  expect(elsewhere.find((race) => race.id === id)?.finds).toContain(finding?.code);
});

it.each(quick)('%s: its twin is clean', async (id) => {
  const { findings, exhaustive } = await checkOwn(PROGRAMS, id, { variant: 'fixed' });
  expect({ findings, exhaustive }).toEqual({ findings: [], exhaustive: true });
});
