// Every oracle convicts a wrong program and acquits one that differs from it in a line, under each design where it applies.
import { join } from 'node:path';
import { CODES } from '@mmun/oracle';
import { effort, later } from '@mmun/test-support';
import { checkOwn } from '@mmun/test-support/linked-races';
import { wrong } from './wrong-programs.js';

type Strategy = 'dpor' | 'stateful';

const PROGRAMS = join(__dirname, 'wrong-programs.ts');

const check = (id: string, variant: 'buggy' | 'fixed', strategy: Strategy): ReturnType<typeof checkOwn> => checkOwn(PROGRAMS, id, { variant, strategy, findsAll: variant === 'buggy' });

/** What a code has no program for, and why. */
const WITHOUT: Readonly<Record<string, string>> = {
  'corruption': 'what checkMachine says: the tests of mm', 'exception': 'the race itself fails', 'broken-claim': 'a race says so itself: the claims', 'bad-plugin': 'the plugin kit says so',
};
/** Where a code can be broken at all; left out: under every design. Off has no notifier, and no reader of RCU. */
const DESIGNS: Readonly<Record<string, readonly string[]>> = {
  'unbalanced-range': ['range'], 'callback-after-unregister': ['v5', 'range'], 'missed-release': ['v5', 'range'], 'rcu-misuse': ['v5', 'range'], 'data-race': ['v5', 'range'],
};

/** Looked at where MMUN_EFFORT=full: kernels that have to be linked, and searches of a second or more. */
const LONG = /-(v5|range)-(cpu|page|kernel)$|-range(-mm)?$|^(lost-write|cow-leak|incoherent|retry-livelock)-|-off-(kernel|page|cpu)$|^(excess-permission|stale-after-return)-off|^lock-order-(range|off)-gate|^stale-translation-off|^(use-after-free-range|deadlock|lost-dirty-v5|lost-dirty-range-reclaimed|stale-after-return-v5)/;
const SHORT = /^(unbalanced-range|missed-release|double-free|sleep-in-atomic|callback-after-unregister|self-deadlock)-range(-range)?$/;

it('has a program for each code and design', () => {
  const missing = Object.keys(CODES).filter((code) => WITHOUT[code] === undefined).flatMap((code) =>
    (DESIGNS[code] ?? ['v5', 'range', 'off']).filter((design) => !wrong.some(({ id }) => id === `${code}-${design}` || id.startsWith(`${code}-${design}-`))).map((design) => `${code}, ${design}`));
  expect(missing).toEqual([]);
});

const today = wrong.filter(({ id }) => effort(0, 1) === 1 || SHORT.test(id) || !LONG.test(id));
/** What needs no kernel of its own, and of each code at least one. */
const inHaste = today.filter(({ finds, variants }, i) => Object.values(variants).every(({ edit }) => edit === undefined) || today.findIndex((race) => race.finds[0] === finds[0]) === i);
/** Seconds each. */
const SLOW = /^(stale-translation-v5|lost-dirty-off-reclaimed|unbalanced-range-range|double-free-range)$/;
const looked = later(inHaste.filter(({ id }) => !SLOW.test(id)), today).map(({ id }) => id);

describe.each(looked)('%s', (id) => {
  const code = wrong.find((race) => race.id === id)?.finds[0];
  // a search that leaves out orderings must not leave out what an oracle would have said of them
  const strategies: readonly Strategy[] = effort(0, 1) === 0 || code === 'data-race' ? ['dpor'] : ['dpor', 'stateful'];

  it('is found in the wrong program, by either exhaustive search', async () => {
    for (const strategy of strategies) {
      const { findings } = await check(id, 'buggy', strategy);
      expect([strategy, findings.map((finding) => finding.code)]).toEqual([strategy, expect.arrayContaining([code])]);
    }
  });

  it('is not found in its twin, and nothing else is, in any interleaving', async () => {
    const { findings, exhaustive } = await check(id, 'fixed', 'dpor');
    expect({ findings: findings.map((finding) => [finding.code, finding.message]), exhaustive }).toEqual({ findings: [], exhaustive: true });
  });
});
