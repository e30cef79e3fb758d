/** What happened during one replay, for a page or a trace: events, the calls that notifiers made in them, VMAs while they stood. */
import type { MapsRow, Mm, NotifierOps, SecondaryMmu } from '@mmun/include';
import type { ReplayedEffect } from '@mmun/recording';
import type { Machine, ReplayImage } from '../run/images.js';

/** A call into a secondary MMU. */
export interface LoggedCall {
  /** `invalidatePage` */
  readonly op: string;
  /** Index of the plugin. */
  readonly plugin: number;
  /** Bytes; both 0 where the op names no range. */
  readonly start: number;
  readonly end: number;
}

export interface LoggedEvent {
  /** Since the first event; where the recording has no times, one microsecond an event. */
  readonly timeNs: number;
  readonly pid: number;
  readonly tid: number;
  readonly cpu: number;
  /** `munmap`, `fault`, `fork`. */
  readonly name: string;
  /** Of the trace, or of events.perf for what perf saw. */
  readonly line: number;
  /** What it was about, in bytes; 0 where it names no address. */
  readonly start: number;
  readonly bytes: number;
  readonly calls: readonly LoggedCall[];
  /** Entries dropped in it, by plugin. */
  readonly dropped: readonly number[];
  /** Faults and accesses of devices after it, by plugin. */
  readonly faults: readonly number[];
  readonly accesses: readonly number[];
}

export interface LoggedVma {
  readonly pid: number;
  readonly start: number;
  readonly end: number;
  readonly perms: string;
  readonly name: string;
  /** Events after which it stood first, and no more; `to` is the number of events where it stood to the end. */
  readonly from: number;
  to: number;
}

interface Sums {
  readonly invalidations: number;
  readonly faults: number;
  readonly accesses: number;
}

/** Events after which VMAs can be others than before. */
const CHANGES_VMAS: ReadonlySet<string> = new Set(['mmap', 'munmap', 'mprotect', 'mremap', 'brk', 'madvise', 'mlock', 'mlock2', 'munlock', 'mlockall', 'munlockall', 'exec', 'fork', 'exit', 'shmat', 'shmdt']);

export class RunLog {
  readonly events: LoggedEvent[] = [];
  readonly vmas: LoggedVma[] = [];
  readonly plugins: readonly string[];
  readonly #standing: Map<number, Map<string, LoggedVma>> = new Map();
  readonly #wantsVmas: boolean;
  #calls: LoggedCall[] = [];
  #before: readonly Sums[] = [];
  #firstTime = Number.NaN;

  constructor(plugins: readonly SecondaryMmu[], wantsVmas: boolean) {
    this.plugins = plugins.map(({ name }) => name);
    this.#wantsVmas = wantsVmas;
  }

  /** The same plugins, whose ops are noted before they run. */
  watch(plugins: readonly SecondaryMmu[]): SecondaryMmu[] {
    return plugins.map((plugin, index) => ({
      ...plugin,
      attach: (services) => {
        const driver = plugin.attach(services);
        return { ...driver, ops: this.#watchOps(driver.ops, index) };
      },
    }));
  }

  /** After the effect and the accesses that followed it. */
  afterEvent(image: ReplayImage, m: Machine, { task, effect }: Pick<ReplayedEffect<Machine>, 'task' | 'effect'>): void {
    const sums = image.attachedSecondaries(m).map(({ driver }) => driver.counters());
    const more = (key: keyof Sums): number[] => sums.map((sum, i) => sum[key] - (this.#before[i]?.[key] ?? 0));
    if (Number.isNaN(this.#firstTime)) this.#firstTime = effect.time;
    const timeNs = Number.isNaN(effect.time) ? this.events.length * 1000 : effect.time - this.#firstTime;
    const name = effect.kind === 'call' ? effect.name : effect.kind;
    this.events.push({
      timeNs, pid: effect.pid, tid: effect.tid, cpu: cpuOf(image, m, task), name, line: effect.line, ...placeOf(effect),
      calls: this.#calls, dropped: more('invalidations'), faults: more('faults'), accesses: more('accesses'),
    });
    this.#calls = [];
    this.#before = sums;
    if (this.#wantsVmas && CHANGES_VMAS.has(name)) this.#noteVmas(image, m, effect.kind === 'fork' ? effect.childPid : effect.pid, task === 0 || effect.kind === 'exit' ? (0 as Mm) : image.mmOf(m, task));
  }

  #watchOps(ops: NotifierOps, plugin: number): NotifierOps {
    const watched = Object.entries(ops).map(([op, run]) => [op, (...args: number[]): unknown => {
      const [, , start = 0, end = start === 0 ? 0 : start + 4096] = args;
      this.#calls.push({ op, plugin, start, end });
      return (run as (...all: number[]) => unknown)(...args);
    }]);
    return Object.fromEntries(watched) as NotifierOps;
  }

  #noteVmas(image: ReplayImage, m: Machine, pid: number, mm: Mm): void {
    const had = this.#standing.get(pid) ?? new Map<string, LoggedVma>();
    const has = new Map<string, LoggedVma>();
    const now = this.events.length - 1;
    const rows: readonly MapsRow[] = mm === 0 ? [] : image.procMaps(m, mm);
    for (const { start, end, perms, name } of rows) {
      const key = `${start} ${end} ${perms} ${name}`;
      const known = had.get(key);
      const row = known ?? { pid, start, end, perms, name, from: now, to: Infinity };
      if (known === undefined) this.vmas.push(row);
      has.set(key, row);
    }
    for (const [key, row] of had) if (!has.has(key)) row.to = now;
    this.#standing.set(pid, has);
  }

  /** No more events come. */
  finish(): void {
    for (const rows of this.#standing.values()) for (const row of rows.values()) if (row.to === Infinity) row.to = this.events.length;
  }
}

/** Every image that can be inspected knows it; the type of those that replay does not say so. */
function cpuOf(image: ReplayImage, m: Machine, task: number): number {
  return 'taskCpu' in image ? (image.taskCpu as (m: Machine, task: number) => number)(m, task) : 0;
}

/** Address and length as the call names them. */
function placeOf(effect: ReplayedEffect<Machine>['effect']): { start: number; bytes: number } {
  if (effect.kind === 'fault') return { start: effect.address, bytes: 4096 };
  if (effect.kind !== 'call') return { start: 0, bytes: 0 };
  const [first = 0, second = 0, third = 0] = effect.args.map((arg) => (Number.isNaN(arg) ? 0 : arg));
  if (effect.result < 0) return { start: first, bytes: 0 };
  switch (effect.name) {
    case 'mmap': return { start: effect.result, bytes: second };
    case 'mremap': return { start: effect.result, bytes: third };
    case 'munmap': case 'mprotect': case 'madvise': case 'mlock': case 'munlock': return { start: first, bytes: second };
    case 'brk': return { start: effect.result, bytes: 0 };
    default: return { start: 0, bytes: 0 };
  }
}
