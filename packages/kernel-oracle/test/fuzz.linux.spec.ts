/** Against the running kernel; where it cannot be asked, these pass with a line that says so. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import * as fast from '@mmun/image/x86-fast';
import * as checked from '@mmun/image/x86';
import { effort, later } from '@mmun/test-support';
import * as range from '@mmun/image/x86-range';
import { kvm } from '@mmun/plugin-kvm';
import { Fuzzer, KernelSide, NR_KVM_KINDS, OracleUnavailable, WITHOUT_HUGE_PAGES, fuzzKvm } from '../src/index.js';
import type { FuzzedImage, KvmFuzzResult, KvmImage } from '../src/index.js';

type Machine = ReturnType<typeof checked.boot>;

const OPS = effort(later(1000, 2000), 20_000);
const READ_ONLY = '/sys/kernel/mm/transparent_hugepage/hpage_pmd_size';

async function withKernel(test: (kernel: KernelSide) => Promise<void>, options: Parameters<typeof KernelSide.start>[0] = {}): Promise<void> {
  let kernel: KernelSide;
  try {
    kernel = await KernelSide.start(options);
  } catch (error) {
    if (!(error instanceof OracleUnavailable)) throw error;
    process.stderr.write(`skipped: ${error.message}\n`);
    return;
  }
  if (!kernel.world.hasHugePages && options.withoutHugePages !== true) process.stderr.write(`skipped: ${WITHOUT_HUGE_PAGES}\n`);
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
  // the first is found at once, each of the others takes a second or two
  it.each(cases.slice(0, later(1, cases.length)))('%s', async (_name, what, most, lies) => {
    await withKernel(async (kernel) => {
      const found = await difference(kernel, { ...checked, ...lies }, 20_000, 1);
      expect(found?.what).toBe(what);
      expect(found?.program.length).toBeLessThanOrEqual(most);
      expect(found?.op).toBe(found?.program.at(-1));
    }, { withoutHugePages: true });
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

const children = (): number[] => readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8').trim().split(' ').filter((pid) => pid !== '').map(Number);

describe('model and KVM', () => {
  const trials = effort(4, 200) * NR_KVM_KINDS;
  const image = range as unknown as KvmImage<ReturnType<typeof range.boot>>;
  const guest = async (plugin: typeof kvm): Promise<KvmFuzzResult | null> => {
    try {
      return await fuzzKvm(image, plugin, { trials, seed: Math.floor(Math.random() * 2 ** 32) });
    } catch (error) {
      if (!(error instanceof OracleUnavailable)) throw error;
      process.stderr.write(`skipped: ${error.message}\n`);
      return null;
    }
  };

  it('drop the same entries for each kind of operation of the host, and log the same writes', async () => {
    const result = await guest(kvm);
    if (result === null) return;
    expect(result.difference).toBeNull();
    expect(result.kinds.filter((kind) => kind.trials === trials / NR_KVM_KINDS && kind.differences === 0)).toHaveLength(NR_KVM_KINDS);
    expect(NR_KVM_KINDS).toBeGreaterThanOrEqual(20);
  });

  later(it.skip, it)('differ where the model drops more than the kernel must', async () => {
    const eager = { ...kvm, attach: (services: Parameters<typeof kvm.attach>[0]) => {
      const driver = kvm.attach(services);
      const { invalidateRangeStart } = driver.ops as { invalidateRangeStart: (...args: number[]) => Generator<never, void, void> };
      const ops = { ...driver.ops, invalidateRangeStart: (mn: number, mm: number, start: number, end: number) => invalidateRangeStart(mn, mm, start - 4096, end + 4096) };
      return { ...driver, ops } as unknown as typeof driver;
    } };
    const result = await guest(eager);
    if (result === null) return;
    expect(result.difference?.kernel).toMatch(/fewer|drops/);
    expect(result.kinds.find(({ kind, backing }) => kind === 'MADV_DONTNEED' && backing === 'anonymous')?.differences).toBeGreaterThan(0);
  });

  it('are left in peace by an interrupt, and miss their process with one line', async () => {
    const options = { trials: 1_000_000, seed: 1 };
    const controller = new AbortController();
    try {
      const result = await fuzzKvm(image, kvm, { ...options, signal: controller.signal, onProgress: () => { controller.abort(); } });
      expect(result).toMatchObject({ isInterrupted: true, difference: null });
      expect(result.trials).toBeGreaterThan(0);
    } catch (error) {
      if (!(error instanceof OracleUnavailable)) throw error;
      process.stderr.write(`skipped: ${error.message}\n`);
      return;
    }
    const before = children();
    const killed = fuzzKvm(image, kvm, { ...options, onProgress: () => { for (const pid of children()) if (!before.includes(pid)) process.kill(pid, 'SIGKILL'); } });
    await expect(killed).rejects.toThrow(/^the process that asks the kernel has ended: killed by SIGKILL$/);
  });

  it('are not compared where the device is missing, closed to the user or something else: one line says which', async () => {
    if (process.platform !== 'linux' || process.arch !== 'x64') return;
    const asked = (device: string): Promise<unknown> => fuzzKvm(image, kvm, { trials: 1, seed: 1, device });
    await expect(asked('/dev/no-kvm')).rejects.toThrow(/^KVM cannot be asked: there is no \/dev\/no-kvm \(.*\)$/);
    await expect(asked('/dev/null')).rejects.toThrow(/^KVM cannot be asked: \/dev\/null is no KVM of version 12 \(KVM_GET_API_VERSION gave -25\)$/);
    // sysfs lets nobody, not even root, write to what is read-only
    if (existsSync(READ_ONLY)) await expect(asked(READ_ONLY)).rejects.toThrow(/^KVM cannot be asked: \S+ may not be opened for reading and writing \(be root or in its group\)$/);
  });
});
