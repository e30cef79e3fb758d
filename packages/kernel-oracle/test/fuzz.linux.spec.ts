/** Against the running kernel; where it cannot be asked, these pass with a line that says so. */
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import * as fast from '@mmun/image/x86-fast';
import * as checked from '@mmun/image/x86';
import { effort } from '@mmun/test-support';
import { Fuzzer, KernelSide, OracleUnavailable } from '../src/index.js';
import type { FuzzedImage } from '../src/index.js';

type Machine = ReturnType<typeof checked.boot>;

const OPS = effort(2000, 20_000);

async function withKernel(test: (kernel: KernelSide) => Promise<void>, options: Parameters<typeof KernelSide.start>[0] = {}): Promise<void> {
  let kernel: KernelSide;
  try {
    kernel = await KernelSide.start(options);
  } catch (error) {
    if (!(error instanceof OracleUnavailable)) throw error;
    process.stderr.write(`skipped: ${error.message}\n`);
    return;
  }
  try {
    await test(kernel);
  } finally {
    kernel.close();
  }
}

const difference = async (kernel: KernelSide, image: FuzzedImage<Machine>, ops: number, seed: number) => (await new Fuzzer(kernel, image).fuzz({ ops, seed })).difference;

describe('model and kernel', () => {
  it.each([['checked', checked], ['fast', fast]] as const)('the %s image answers thousands of operations as the kernel does', async (_name, image) => {
    const seed = Math.floor(Math.random() * 2 ** 32);
    await withKernel(async (kernel) => {
      const found = await difference(kernel, image, OPS, seed);
      expect({ seed, program: found?.program ?? [], model: found?.model, kernel: found?.kernel }).toEqual({ seed, program: [], model: undefined, kernel: undefined });
    });
  });

  it('a kernel without PROCMAP_QUERY is read by its text', async () => {
    await withKernel(async (kernel) => {
      expect(kernel.world.hasProcmapQuery).toBe(false);
      expect(await difference(kernel, fast, 300, 1)).toBeNull();
    }, { withoutProcmapQuery: true });
  });
});

describe('a model that lies is convicted, in few operations', () => {
  /** What `run` takes for a task that has ended. */
  const zero = 0 as never;
  const cases: readonly (readonly [string, string, number, Partial<FuzzedImage<Machine>>])[] = [
    ['an errno', 'result', 2, { sysMunmap: (m, addr, len) => (len === 0 ? zero : checked.sysMunmap(m, addr, len)) }],
    ['a mapping left behind', 'maps', 3, { sysMunmap: (m, addr, len) => (len === 8192 ? zero : checked.sysMunmap(m, addr, len)) }],
    ['pages that DONTNEED forgot', 'pages', 3, { sysMadvise: (m, addr, len, advice) => checked.sysMadvise(m, addr, len, advice === 4 ? 20 : advice) }],
    ['a write that is lost', 'contents', 4, { userWrite: (m, addr, word) => checked.userWrite(m, addr, addr % 8192 === 0 ? word : 0) }],
    ['a flag that splits', 'maps', 4, { sysMadvise: (m, addr, len, advice) => checked.sysMadvise(m, addr, len, advice === 16 ? 17 : advice) }],
  ];
  it.each(cases)('%s', async (_name, what, most, lies) => {
    await withKernel(async (kernel) => {
      const found = await difference(kernel, { ...checked, ...lies }, 20_000, 1);
      expect(found?.what).toBe(what);
      expect(found?.program.length).toBeLessThanOrEqual(most);
      expect(found?.op).toBe(found?.program.at(-1));
    });
  }, 120_000);
});

describe('the process that asks', () => {
  it('is missed with one line when it is killed, and leaves nothing behind', async () => {
    let folder = '';
    await withKernel(async (kernel) => {
      folder = dirname(kernel.world.file.path);
      expect(existsSync(folder)).toBe(true);
      setTimeout(() => { process.kill(kernel.pid, 'SIGKILL'); }, 300);
      await expect(new Fuzzer<Machine>(kernel, fast).fuzz({ ops: 10_000_000, seed: 3 })).rejects.toThrow(/^the process that asks the kernel has ended: killed by SIGKILL$/);
    });
    expect(existsSync(folder)).toBe(false);
  });

  it('is left in peace by an interrupt: what was compared so far is the result', async () => {
    await withKernel(async (kernel) => {
      const controller = new AbortController();
      setTimeout(() => { controller.abort(); }, 300);
      const result = await new Fuzzer<Machine>(kernel, fast).fuzz({ ops: 10_000_000, seed: 3, signal: controller.signal });
      expect(result).toMatchObject({ isInterrupted: true, difference: null });
      expect(result.ops).toBeGreaterThan(0);
    });
  });
});
