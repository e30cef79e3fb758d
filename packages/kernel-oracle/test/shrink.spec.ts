import { operationText, shrink } from '../src/index.js';
import type { Operation } from '../src/index.js';

const write = (page: number): Operation => ({ name: 'write', args: [0x500000000000 + page * 4096, page] });
const FORK: Operation = { name: 'fork', args: [] };
const EXIT: Operation = { name: 'exit', args: [] };

/** Fails at the last of the wanted operations once all of them have come in order. */
function failsAfter(...wanted: readonly ((operation: Operation) => boolean)[]) {
  const runs: (readonly Operation[])[] = [];
  const fails = (operations: readonly Operation[]): Promise<number> => {
    runs.push(operations);
    let next = 0;
    return Promise.resolve(operations.findIndex((operation) => (wanted[next]?.(operation) === true ? ++next : 0) === wanted.length));
  };
  return { fails, runs };
}

describe('shrinking', () => {
  it('keeps the operations that it takes, in their order, and nothing behind the failure', async () => {
    const program = Array.from({ length: 300 }, (_, i) => write(i));
    const { fails } = failsAfter(({ args }) => args[0] === write(17).args[0], ({ args }) => args[0] === write(230).args[0]);
    const smallest = await shrink(program, fails);
    expect(smallest.map(({ args }) => args[0])).toEqual([write(17).args[0], write(230).args[0]]);
  });

  it('makes arguments simpler one by one: fewer pages, fewer flags', async () => {
    const program: Operation[] = [write(1), { name: 'mmap', args: [0x500000000000, 0x9000, 7, 0x8122, 0, 0] }];
    const { fails } = failsAfter(({ name, args }) => name === 'mmap' && args[1] >= 0x3000 && (args[3] & 0x100) !== 0);
    expect(await shrink(program, fails)).toEqual([{ name: 'mmap', args: [0x500000000000, 0x3000, 0, 0x100, 0, 0] }]);
  });

  it('never lets a process end that was not forked', async () => {
    const program = [write(0), FORK, write(1), EXIT, write(2)];
    const { fails, runs } = failsAfter(({ name }) => name === 'exit');
    expect(await shrink(program, fails)).toEqual([FORK, EXIT]);
    for (const run of runs) expect(run.findIndex(({ name }) => name === 'exit') >= 0 && !run.includes(FORK)).toBe(false);
  });

  it('stops where it is told to, with what it has', async () => {
    const controller = new AbortController();
    const program = Array.from({ length: 100 }, (_, i) => write(i));
    const fails = (operations: readonly Operation[]): Promise<number> => {
      if (operations.length <= 50) controller.abort();
      return Promise.resolve(operations.length - 1);
    };
    expect((await shrink(program, fails, controller.signal)).length).toBeLessThanOrEqual(50);
  });
});

describe('an operation as C', () => {
  it.each<[Operation, string]>([
    [{ name: 'mmap', args: [0x500000000000, 8192, 3, 0x32, 0, 0] }, 'mmap(0x500000000000, 0x2000, PROT_READ|PROT_WRITE, MAP_ANONYMOUS|MAP_FIXED|MAP_PRIVATE, -1, 0)'],
    [{ name: 'mmap', args: [0, 4096, 0, 3, 1, 4096] }, 'mmap(0, 0x1000, PROT_NONE, MAP_SHARED_VALIDATE, file, 0x1000)'],
    [{ name: 'madvise', args: [0x1000, 4096, 4] }, 'madvise(0x1000, 0x1000, MADV_DONTNEED)'],
    [{ name: 'madvise', args: [0x1000, 4096, 99] }, 'madvise(0x1000, 0x1000, 99)'],
    [{ name: 'mremap', args: [0x1000, 4096, 8192, 3, 0x3000] }, 'mremap(0x1000, 0x1000, 0x2000, MREMAP_FIXED|MREMAP_MAYMOVE, 0x3000)'],
    [{ name: 'write', args: [0x1000, 7] }, '*(volatile int *)0x1000 = 7'],
    [FORK, 'fork() /* on as the child */'],
  ])('%j', (operation, text) => {
    expect(operationText(operation)).toBe(text);
  });
});
