/** What an operation costs where there is much: a million VMAs, 64 GiB of pages, ten thousand processes, a long recording. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BootedMachine, File, KernelImage, MachineConfig, TaskStruct, Vaddr } from '@mmun/include';
import { replayRecording } from '@mmun/recording';
import { repeatRecording } from './long-recording.js';

export interface VmaScale {
  readonly vmas: number;
  /** One VMA in the midst of the others goes and comes back. */
  readonly munmapMmapNs: number;
  /** mprotect that changes nothing: it finds the VMA, and that is all. */
  readonly findNs: number;
  /** Room for two pages is looked for, where all gaps but the last have one, and given back. */
  readonly anywhereNs: number;
  readonly bytesEach: number;
}

export interface PageScale {
  readonly pages: number;
  readonly writeFaultNs: number;
  readonly munmapNs: number;
  /** Model memory for one present page: its pte, its columns, its word of content. */
  readonly bytesEach: number;
}

export interface ProcessScale {
  readonly processes: number;
  /** Of one parent with 64 pages written; all children live at once, and exit in the order of their birth. */
  readonly forkNs: number;
  readonly exitNs: number;
  readonly bytesEach: number;
}

export interface ReplayScale {
  readonly name: string;
  readonly events: number;
  /** From opening the files to the comparison of the ends. */
  readonly eventsASecond: number;
  /** The same by the CPU time that the process used: what a busy machine takes away is left out. */
  readonly eventsACpuSecond: number;
  /** The most of JavaScript's heap that was in use on the way. */
  readonly peakHeapBytes: number;
  readonly isEqual: boolean;
}

export interface ScaleReport {
  readonly vmas: readonly VmaScale[];
  readonly pages: readonly PageScale[];
  readonly processes: readonly ProcessScale[];
  readonly replays: readonly ReplayScale[];
}

export interface ScaleSizes {
  readonly vmas: readonly number[];
  /** Of each kind that are timed among so many VMAs, in one round. */
  readonly operations: number;
  readonly pages: readonly number[];
  readonly processes: readonly number[];
  /** How often the recording happens. */
  readonly repetitions: readonly number[];
}

export const SCALE_SIZES: ScaleSizes = {
  vmas: [100, 1000, 10_000, 100_000, 1_000_000], operations: 5000, pages: [2 ** 16, 2 ** 20, 2 ** 24], processes: [100, 1000, 10_000], repetitions: [10, 100, 400],
};

export interface ScaleOptions {
  readonly sizes: ScaleSizes;
  /** Of the recording that is repeated. */
  readonly recording: string;
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number) => void;
}

const PAGE = 4096;
const READ_WRITE = 3, READ = 1;
const ANONYMOUS = 0x22, FIXED_ANONYMOUS = 0x32;
const WRITE_FAULT = 6;
/** Below it nothing is looked for from the bottom up. */
const BASE = 0x2aaaaaaab000;
const NO_FILE = 0 as File;
/** The least of so many rounds counts. */
const ROUNDS = 5;
const FORK_PAGES = 64;

/** What was interrupted has the rows that were measured so far. */
export async function measureScale<M extends BootedMachine>(image: KernelImage<M>, { sizes, recording, signal, onProgress }: ScaleOptions): Promise<ScaleReport> {
  const report = { vmas: [] as VmaScale[], pages: [] as PageScale[], processes: [] as ProcessScale[], replays: [] as ReplayScale[] };
  const steps: (() => void | Promise<void>)[] = [
    ...sizes.vmas.map((size) => () => void report.vmas.push(vmaScale(image, size, sizes.operations))),
    ...sizes.processes.map((size) => () => void report.processes.push(processScale(image, size))),
    ...sizes.pages.map((size) => () => void report.pages.push(pageScale(image, size))),
    ...sizes.repetitions.map((times) => async () => void report.replays.push(await replayScale(image, recording, times))),
  ];
  await warmUp(image, { sizes, recording, ...(signal !== undefined && { signal }) });
  for (const [i, step] of steps.entries()) {
    if (signal?.aborted === true) break;
    await step();
    onProgress?.((i + 1) / steps.length);
    await new Promise<void>((resolve) => void setImmediate(resolve));
  }
  return report;
}

/** The smallest of each size a few times: compilers are done before anything counts. */
async function warmUp<M extends BootedMachine>(image: KernelImage<M>, { sizes, recording, signal }: ScaleOptions): Promise<void> {
  for (let round = 0; round < WARM_UP_ROUNDS && signal?.aborted !== true; round++) {
    for (const size of sizes.vmas.slice(0, 1)) vmaScale(image, size, sizes.operations);
    for (const size of sizes.processes.slice(0, 1)) processScale(image, size);
    for (const size of sizes.pages.slice(0, 1)) pageScale(image, size);
    for (const times of sizes.repetitions.slice(0, 1)) await replayScale(image, recording, times);
  }
}

const WARM_UP_ROUNDS = 3;

/** A machine with one process, which is current, and no more room than is asked for. */
function bootFor<M extends BootedMachine>(image: KernelImage<M>, config: Partial<MachineConfig>): { m: M; parent: TaskStruct } {
  const { settings } = image.defaultConfig;
  const m = image.boot({
    ...image.defaultConfig, nrTasks: 4, nrMms: 4, nrVmas: 16, nrAnonVmas: 16, nrAnonVmaChains: 16, nrFrames: 64, nrTables: 64, nrInodes: 4, nrFiles: 4,
    ...config, settings: { ...settings, transparentHugepage: 'never', maxMapCount: (config.nrVmas ?? 0) + settings.maxMapCount },
  });
  const parent = image.newProcess(m);
  image.setCurrent(m, parent);
  return { m, parent };
}

function vmaScale<M extends BootedMachine>(image: KernelImage<M>, vmas: number, operations: number): VmaScale {
  const { m } = bootFor(image, { nrVmas: vmas + 16 });
  const at = (i: number): Vaddr => (BASE + 2 * i * PAGE) as Vaddr;
  const map = (i: number): void => void image.run(m, image.sysMmap(m, at(i), PAGE, READ_WRITE, FIXED_ANONYMOUS, NO_FILE, 0));
  for (let i = 0; i < vmas; i++) map(i);
  let random = 12345;
  const anyOne = (): number => {
    random = (Math.imul(random, 1103515245) + 12345) & 0x7fffffff;
    return random % vmas;
  };
  const munmapMmapNs = least(operations, () => {
    const i = anyOne();
    image.run(m, image.sysMunmap(m, at(i), PAGE));
    map(i);
  });
  const findNs = least(operations, () => { image.run(m, image.sysMprotect(m, at(anyOne()), PAGE, READ_WRITE)); });
  const anywhereNs = least(operations, () => {
    const address = image.run(m, image.sysMmap(m, 0 as Vaddr, 2 * PAGE, READ, ANONYMOUS, NO_FILE, 0));
    image.run(m, image.sysMunmap(m, address as Vaddr, 2 * PAGE));
  });
  return { vmas, munmapMmapNs, findNs, anywhereNs, bytesEach: m.buffer.byteLength / vmas };
}

function pageScale<M extends BootedMachine>(image: KernelImage<M>, pages: number): PageScale {
  const nrTables = Math.ceil(pages / 512) + Math.ceil(pages / 512 / 512) + 64;
  const { m } = bootFor(image, { nrFrames: pages + 64, nrTables });
  image.run(m, image.sysMmap(m, BASE as Vaddr, pages * PAGE, READ_WRITE, FIXED_ANONYMOUS, NO_FILE, 0));
  const writeFaultNs = once(() => { for (let i = 0; i < pages; i++) image.run(m, image.doPageFault(m, (BASE + i * PAGE) as Vaddr, WRITE_FAULT)); }) / pages;
  const munmapNs = once(() => { image.run(m, image.sysMunmap(m, BASE as Vaddr, pages * PAGE)); }) / pages;
  return { pages, writeFaultNs, munmapNs, bytesEach: m.buffer.byteLength / pages };
}

function processScale<M extends BootedMachine>(image: KernelImage<M>, processes: number): ProcessScale {
  const room = processes + 16;
  const { m } = bootFor(image, { nrTasks: room, nrMms: room, nrVmas: room, nrAnonVmas: room, nrAnonVmaChains: 2 * room, nrFrames: 4 * FORK_PAGES, nrTables: 4 * room });
  image.run(m, image.sysMmap(m, BASE as Vaddr, FORK_PAGES * PAGE, READ_WRITE, FIXED_ANONYMOUS, NO_FILE, 0));
  for (let i = 0; i < FORK_PAGES; i++) image.run(m, image.doPageFault(m, (BASE + i * PAGE) as Vaddr, WRITE_FAULT));
  const children: number[] = [];
  const forkNs = once(() => { for (let i = 0; i < processes; i++) children.push(image.run(m, image.sysClone(m, 0))); }) / processes;
  const exitNs = once(() => {
    for (const child of children) {
      image.setCurrent(m, child as TaskStruct);
      image.run(m, image.sysExit(m));
    }
  }) / processes;
  return { processes: children.filter((child) => child > 0).length, forkNs, exitNs, bytesEach: m.buffer.byteLength / processes };
}

async function replayScale<M extends BootedMachine>(image: KernelImage<M>, recording: string, times: number): Promise<ReplayScale> {
  const folder = mkdtempSync(join(tmpdir(), 'mmun-replay-'));
  try {
    const name = `${recording.replace(/\/$/, '').split('/').at(-1) ?? recording} x ${times}`;
    repeatRecording(recording, folder, times);
    let peakHeapBytes = 0;
    const look = (): void => { peakHeapBytes = Math.max(peakHeapBytes, process.memoryUsage().heapUsed); };
    const cpu = process.cpuUsage();
    const start = performance.now();
    const { events, isEqual } = await replayRecording(image, folder, { onProgress: look });
    const eventsASecond = (events / (performance.now() - start)) * 1000;
    const { user, system } = process.cpuUsage(cpu);
    look();
    return { name, events, eventsASecond, eventsACpuSecond: (events / (user + system)) * 1e6, peakHeapBytes, isEqual };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** @returns ns */
function once(act: () => void): number {
  const start = process.hrtime.bigint();
  act();
  return Number(process.hrtime.bigint() - start);
}

/** @returns ns of one, in the round that was disturbed least */
function least(operations: number, act: () => void): number {
  let ns = Infinity;
  for (let round = 0; round < ROUNDS; round++) ns = Math.min(ns, once(() => { for (let i = 0; i < operations; i++) act(); }) / operations);
  return ns;
}
