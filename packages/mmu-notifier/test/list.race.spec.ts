// What the list does with two threads on it, step by step: the claims of the mail on release and RCU.
import type { MaySleep, MmuNotifierOps, Task, UnderPteLock, Vaddr } from '@mmun/include';
import { run } from '@mmun/locking';
import { mmuNotifier, mmuNotifierRegister, mmuNotifierRelease, mmuNotifierUnregister } from '@mmun/mmu-notifier';
import { MM, machine, notifierWith, threads } from './machine.js';
import type { TestMachine } from './machine.js';

const A = 0x1000 as Vaddr;

/** Two notifiers; `log` gets the names of those that are called. */
function twoRegistered(m: TestMachine, log: string[]): { readonly first: ReturnType<typeof notifierWith>; readonly second: ReturnType<typeof notifierWith> } {
  const ops = (name: string): MmuNotifierOps => ({
    * invalidatePage(): Task<UnderPteLock> { log.push(name); },
    * release(): Task<MaySleep> { log.push(`${name} released`); },
  });
  const [first, second] = [notifierWith(m, ops('first')), notifierWith(m, ops('second'))];
  run(m, mmuNotifierRegister(m, first, MM));
  run(m, mmuNotifierRegister(m, second, MM));
  return { first, second };
}

/** Runs a walk until it stands on the notifier that registered last. */
function standOnSecond(step: () => boolean, log: string[]): void {
  while (!log.includes('second')) step();
}

it('a walker that stands on a notifier finds its way on when that is unregistered', () => {
  const m = machine();
  const log: string[] = [];
  const { second } = twoRegistered(m, log);
  const { step, finish } = threads(m, [mmuNotifier(m, MM, 'invalidatePage', A), mmuNotifierUnregister(m, second, MM)]);
  standOnSecond(() => step(0), log);
  finish(1);
  finish(0);
  expect(log).toEqual(['second', 'first']);
});

it('a walker that stands on a notifier runs into poison when release takes it off', () => {
  const m = machine();
  const log: string[] = [];
  twoRegistered(m, log);
  const { step, finish } = threads(m, [mmuNotifier(m, MM, 'invalidatePage', A), mmuNotifierRelease(m, MM)]);
  standOnSecond(() => step(0), log);
  finish(1);
  expect(() => finish(0)).toThrow(expect.objectContaining({ code: 'list-poison-followed' }));
});

it('unregister beside release corrupts the list, for release takes no lock', () => {
  const outcomes = new Set<string>();
  for (let after = 0; after < 40; after++) {
    const m = machine();
    const { second } = twoRegistered(m, []);
    const { step, finish } = threads(m, [mmuNotifierRelease(m, MM), mmuNotifierUnregister(m, second, MM)]);
    try {
      for (let i = 0; i < after; i++) if (step(0)) break;
      finish(1);
      finish(0);
      outcomes.add('well');
    } catch (error) {
      outcomes.add((error as { code: string }).code);
    }
  }
  expect([...outcomes].sort()).toEqual(['list-poison-linked', 'list-poison-written', 'well']);
});

it('a notifier that registers while the mm ends can stay on the list and never be released', () => {
  let missed = 0;
  for (let after = 0; after < 40; after++) {
    const m = machine();
    const log: string[] = [];
    twoRegistered(m, log);
    const late = notifierWith(m, { * release(): Task<MaySleep> { log.push('late released'); } });
    const { step, finish } = threads(m, [mmuNotifierRelease(m, MM), mmuNotifierRegister(m, late, MM)]);
    let isDone = false;
    for (let i = 0; i < after && !isDone; i++) isDone = step(0);
    finish(1);
    if (!isDone) finish(0);
    if (!log.includes('late released')) missed++;
  }
  expect(missed).toBeGreaterThan(0);
});
