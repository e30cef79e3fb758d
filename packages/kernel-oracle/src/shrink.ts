/** From a program that fails to a small one that fails: first fewer operations, then simpler arguments. */
import { PAGE_SIZE } from '@mmun/include';
import { FILE_RW, MEMFD } from './operation.js';
import type { Operation } from './operation.js';

/** Runs a program; the index of the operation at which it fails, or -1. */
export type Fails = (operations: readonly Operation[]) => Promise<number>;

/** Executions after which what has been reached must do. */
const MAX_TRIES = 3000;

/** @param signal once aborted, the smallest found so far is returned */
export async function shrink(operations: readonly Operation[], fails: Fails, signal?: AbortSignal): Promise<readonly Operation[]> {
  let tries = 0;
  /** The program up to where it fails; null where it does not. */
  const attempt = async (program: readonly Operation[]): Promise<readonly Operation[] | null> => {
    if (tries++ >= MAX_TRIES || signal?.aborted === true || !isSound(program)) return null;
    const at = await fails(program);
    return at < 0 ? null : program.slice(0, at + 1);
  };
  let best = operations;
  for (let before = ''; before !== JSON.stringify(best);) {
    before = JSON.stringify(best);
    best = await fewer(best, attempt);
    best = await simpler(best, attempt);
  }
  return best;
}

type Attempt = (program: readonly Operation[]) => Promise<readonly Operation[] | null>;

/** Delta debugging: leaves out pieces, large ones first. */
async function fewer(operations: readonly Operation[], attempt: Attempt): Promise<readonly Operation[]> {
  let best = operations;
  for (let size = Math.ceil(best.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let end = best.length - 1; end > 0;) {
      const from = Math.max(0, end - size);
      const found = await attempt([...best.slice(0, from), ...best.slice(end)]);
      if (found !== null) best = found;
      end = Math.min(from, best.length - 1);
    }
  }
  return best;
}

/** Every argument once: 0, a page, half, without one of its bits. */
async function simpler(operations: readonly Operation[], attempt: Attempt): Promise<readonly Operation[]> {
  let best = operations;
  for (let i = best.length - 1; i >= 0; i--) {
    for (let arg = 0; i < best.length && arg < best[i].args.length; arg++) {
      for (const value of simplerValues(best[i].args[arg])) {
        if (i >= best.length || value === best[i].args[arg]) continue;
        const { name, args } = best[i];
        const found = await attempt(best.with(i, { name, args: args.with(arg, value) }));
        if (found !== null) best = found;
      }
    }
  }
  return best;
}

function simplerValues(value: number): number[] {
  if (value === 0) return [];
  if (value >= 2 ** 32) return []; // an address: which one it is, is what it says
  if (value >= PAGE_SIZE && value % PAGE_SIZE === 0 && value < 2 ** 20) return [PAGE_SIZE, 2 * PAGE_SIZE, Math.ceil(value / PAGE_SIZE / 2) * PAGE_SIZE, value - PAGE_SIZE];
  const withoutBit = Array.from({ length: 31 }, (_, bit) => 2 ** bit).filter((bit) => (value & bit) !== 0 && value !== bit).map((bit) => value - bit);
  return [0, ...withoutBit];
}

/** No process ends that was not forked, no file is cut that is none, no word is written that is none. */
function isSound(operations: readonly Operation[]): boolean {
  let depth = 0;
  for (const { name, args } of operations) {
    if (name === 'ftruncate' && args[0] !== FILE_RW && args[0] !== MEMFD) return false;
    if (name === 'setrlimit' && ![2, 3, 8, 9].includes(args[0])) return false;
    if (name === 'write' && args[0] % 4 !== 0) return false;
    if (name === 'fork') depth++;
    if (name === 'exit' && --depth < 0) return false;
  }
  return true;
}
