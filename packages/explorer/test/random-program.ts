/** Programs over the primitives, as data: what arbitrary.ts draws. */
import { READ, WAIT, WRITE, YIELD } from '@mmun/include';
import type { Step, Task, Where } from '@mmun/include';
import { allocate, bugOn, newLayout, reserve, viewTable, whereOf } from '@mmun/lib';
import type { Table } from '@mmun/lib';
import {
  callRcu, downRead, downReadTrylock, downWrite, downWriteTrylock, downgradeWrite, mutexAt, mutexLock, mutexTrylock, mutexUnlock, point, pointUntil, rcuDoBatch, rcuReadLock,
  rcuReadUnlock, readSeqcountBegin, readSeqcountRetry, registerRcuCallback, reserveLocking, reserveRcu, runToCompletion, rwsemAt, seqcountAt, setCurrent, spinLock, spinTrylock, spinUnlock,
  spinlockAt, synchronizeRcu, touch, upRead, upWrite, viewLocking, viewRcu, writeSeqcountBegin, writeSeqcountEnd,
} from '@mmun/locking';
import type { LockingMachine, RcuMachine } from '@mmun/locking';
import type { Program, Thread } from '../src/index.js';

/** `add` and `read` are atomic; `plain` needs the lock around it. `reach` and `mark` look at or change the other word in the step that finds this one to be 0; `peek` does not say so, which is wrong. */
export type Op =
  | { readonly do: 'add' | 'set' | 'wait'; readonly word: number; readonly value: number }
  | { readonly do: 'read' | 'choose' | 'unless' | 'reach' | 'mark' | 'peek'; readonly word: number }
  | { readonly do: 'yield' | 'sync' | 'call' | 'seqWrite' | 'seqRead' }
  | { readonly do: 'expect'; readonly word: number; readonly value: number }
  | { readonly do: 'spin' | 'spinTry' | 'mutex' | 'mutexTry' | 'down' | 'downTry' | 'downRead' | 'downReadTry' | 'downgrade' | 'rcu'; readonly lock: number; readonly body: readonly Op[] };

const NR_WORDS = 2;
const NR_LOCKS = 2;
const NR_CALLBACKS = 4;

const wordSpec = { word: 'i32', plain: ['i32', 4], spin: 'u32', mutex: 'u32', sem: 'u32', seq: 'u32' } as const;
const localSpec = { local: 'i32' } as const;

export interface RandomMachine extends RcuMachine {
  readonly cells: Table<typeof wordSpec>;
  readonly locals: Table<typeof localSpec>;
  readonly callback: number;
}

export function toProgram(threads: readonly (readonly Op[])[]): Program<RandomMachine> {
  const usesCallbacks = JSON.stringify(threads).includes('"call"');
  const named: Thread<RandomMachine>[] = threads.map((ops, i) => ({ name: `t${i}`, run: (m: RandomMachine) => runThread(m, i, ops) }));
  if (usesCallbacks) named.push({ name: 'rcu', run: (m) => rcuThread(m) });
  return { name: 'random', boot: () => boot(named.length), threads: named };
}

function boot(nrTasks: number): RandomMachine {
  const layout = newLayout();
  const locking = reserveLocking(layout, { nrTasks });
  const rcuTables = reserveRcu(layout, NR_CALLBACKS);
  const cells = reserve(layout, 'cell', Math.max(NR_WORDS, NR_LOCKS), wordSpec);
  const locals = reserve(layout, 'local', nrTasks, localSpec);
  const buffer = allocate(layout);
  const base: LockingMachine = viewLocking(buffer, layout, locking, runToCompletion(() => base));
  const rcu = viewRcu(buffer, rcuTables);
  const callback = registerRcuCallback(rcu, countUp);
  const m: RandomMachine = { ...base, rcu, cells: viewTable(buffer, cells), locals: viewTable(buffer, locals), callback };
  setCurrent(m, 0 as never);
  return m;
}

function* countUp(m: RandomMachine, arg: number): Task<Step> {
  yield* point(m, WRITE, whereOf(m.cells.word, arg));
  m.cells.word[arg] += 16;
}

/** Looks for callbacks twice, at any time. */
function* rcuThread(m: RandomMachine): Task<Step> {
  for (let batch = 0; batch < 2; batch++) yield* rcuDoBatch(m);
}

function* runThread(m: RandomMachine, thread: number, ops: readonly Op[]): Task<Step> {
  // before its first point a thread sees the machine as it was booted, whoever has run
  let local = observe(1, m.cells.word[0] + m.cells.word[1]);
  for (let i = 0; i < ops.length; i++) local = yield* runOp(m, ops[i] as Op, local);
  m.locals.local[thread] = local;
}

/** @returns the thread's local value, into which everything it observes goes */
function* runOp(m: RandomMachine, op: Op, local: number): Task<Step, number> {
  switch (op.do) {
    case 'add': case 'set': {
      yield* point(m, WRITE, whereOf(m.cells.word, op.word));
      m.cells.word[op.word] = op.do === 'set' ? op.value : m.cells.word[op.word] + op.value;
      return local;
    }
    case 'wait': yield* pointUntil(m, WAIT, whereOf(m.cells.word, op.word), -1, op.value); return local;
    case 'read': yield* point(m, READ, whereOf(m.cells.word, op.word)); return observe(local, m.cells.word[op.word]);
    case 'unless': {
      yield* point(m, READ, whereOf(m.cells.word, op.word));
      if (m.cells.word[op.word] !== 0) return local;
      yield* point(m, WRITE, whereOf(m.cells.word, 1 - op.word));
      m.cells.word[1 - op.word] += 4;
      return observe(local, 7);
    }
    case 'reach': case 'mark': case 'peek': {
      yield* point(m, READ, whereOf(m.cells.word, op.word));
      if (m.cells.word[op.word] !== 0) return observe(local, 5);
      const other = 1 - op.word;
      if (op.do !== 'peek') touch(m, op.do === 'mark' ? WRITE : READ, whereOf(m.cells.word, other));
      if (op.do === 'mark') m.cells.word[other] = m.cells.word[other] * 2 + 8;
      return observe(local, m.cells.word[other]);
    }
    case 'expect': {
      yield* point(m, READ, whereOf(m.cells.word, op.word));
      bugOn(m.cells.word[op.word] === op.value, 'unexpected');
      return local;
    }
    case 'choose': return observe(local, m.sched.choose(2, 'choice'));
    case 'yield': yield* point(m, YIELD, 0 as Where); return local;
    case 'sync': yield* synchronizeRcu(m) as unknown as Task<Step>; return local;
    case 'call': return observe(local, (yield* callRcu(m, m.callback, 0)) ? 1 : 0);
    case 'seqWrite': {
      yield* writeSeqcountBegin(m, seqcountAt(m.cells.seq, 0));
      m.cells.plain[3]++;
      yield* writeSeqcountEnd(m, seqcountAt(m.cells.seq, 0));
      return local;
    }
    case 'seqRead': {
      const begin = yield* readSeqcountBegin(m, seqcountAt(m.cells.seq, 0));
      return observe(local, (yield* readSeqcountRetry(m, seqcountAt(m.cells.seq, 0), begin)) ? 1 : 0);
    }
    default: return yield* runLocked(m, op, local);
  }
}

type Locked = Extract<Op, { readonly body: readonly Op[] }>;

function* runLocked(m: RandomMachine, op: Locked, start: number): Task<Step, number> {
  const isTaken = yield* take(m, op);
  if (!isTaken) return observe(start, 3);
  const plain = op.lock * 4 + (op.do.startsWith('spin') ? 0 : op.do.startsWith('mutex') ? 1 : 2);
  let local = op.do === 'rcu' ? start : observe(start, m.cells.plain[plain]);
  if (op.do !== 'rcu' && op.do !== 'downRead' && op.do !== 'downReadTry') m.cells.plain[plain] = m.cells.plain[plain] * 2 + 1;
  for (let i = 0; i < op.body.length; i++) local = yield* runOp(m, op.body[i] as Op, local);
  yield* leave(m, op);
  return local;
}

function* take(m: RandomMachine, { do: how, lock }: Locked): Task<Step, boolean> {
  const spin = spinlockAt(m.cells.spin, lock);
  const mutex = mutexAt(m.cells.mutex, lock);
  const sem = rwsemAt(m.cells.sem, lock);
  switch (how) {
    case 'spin': yield* spinLock(m, spin); return true;
    case 'spinTry': return yield* spinTrylock(m, spin);
    case 'mutex': yield* mutexLock(m, mutex) as unknown as Task<Step>; return true;
    case 'mutexTry': return yield* mutexTrylock(m, mutex);
    case 'down': case 'downgrade': yield* downWrite(m, sem) as unknown as Task<Step>; return true;
    case 'downTry': return yield* downWriteTrylock(m, sem);
    case 'downRead': yield* downRead(m, sem) as unknown as Task<Step>; return true;
    case 'downReadTry': return yield* downReadTrylock(m, sem);
    case 'rcu': yield* rcuReadLock(m); return true;
  }
}

function* leave(m: RandomMachine, { do: how, lock }: Locked): Task<Step> {
  switch (how) {
    case 'spin': case 'spinTry': yield* spinUnlock(m, spinlockAt(m.cells.spin, lock)); break;
    case 'mutex': case 'mutexTry': yield* mutexUnlock(m, mutexAt(m.cells.mutex, lock)); break;
    case 'down': case 'downTry': yield* upWrite(m, rwsemAt(m.cells.sem, lock)); break;
    case 'downgrade': {
      yield* downgradeWrite(m, rwsemAt(m.cells.sem, lock));
      yield* upRead(m, rwsemAt(m.cells.sem, lock));
      break;
    }
    case 'downRead': case 'downReadTry': yield* upRead(m, rwsemAt(m.cells.sem, lock)); break;
    case 'rcu': yield* rcuReadUnlock(m); break;
  }
}

function observe(local: number, seen: number): number {
  return (Math.imul(local, 31) + seen) | 0;
}
