import type { Clock } from './clock.js';
import { eachLine } from './text-file.js';
import type { ParseContext } from './text-file.js';

const KB_PER_PAGE = 4;

/** The kernel and its settings as the recording found them. null: the recording does not say. */
export interface Environment {
  readonly kernel: string | null;
  readonly overcommitMemory: number | null;
  readonly maxMapCount: number | null;
  readonly mmapMinAddr: number | null;
  readonly transparentHugepage: 'always' | 'madvise' | 'never' | null;
  /** Soft limits in bytes, Infinity for unlimited. */
  readonly rlimitStack: number | null;
  readonly rlimitData: number | null;
  readonly rlimitAs: number | null;
  readonly rlimitMemlock: number | null;
  readonly capIpcLock: boolean | null;
  /** Memory and swap together: what the heuristic of overcommit lets one mapping ask for. */
  readonly totalRamPages: number | null;
  /** `MAJ:MIN` of what is mounted noexec. */
  readonly noexecDevices: ReadonlySet<string>;
  /** When the .end files of each process were read, in ns on the recording's clock. */
  readonly readTimes: ReadonlyMap<number, number>;
}

/** `NAME VALUE` of each line. Names that the replay does not use are read over; a line without a value is skipped and listed. */
export function parseEnvironment(text: string, clock: Clock, context: ParseContext): Environment {
  const values = new Map<string, string>();
  const readTimes = new Map<number, number>();
  eachLine(text, (line, number) => {
    const blank = line.indexOf(' ');
    if (blank <= 0) {
      context.skip(number, 'expected `NAME VALUE`');
      return;
    }
    const name = line.slice(0, blank);
    const value = line.slice(blank + 1).trim();
    if (!name.startsWith('read_')) values.set(name, value);
    else if (!addReadTime(readTimes, name, value, clock)) context.skip(number, 'expected `read_PID SECONDS.NANOSECONDS`');
  });
  return { ...settings(values), readTimes };
}

function addReadTime(readTimes: Map<number, number>, name: string, value: string, clock: Clock): boolean {
  const pid = Number(name.slice('read_'.length));
  const match = /^(\d+)\.(\d{1,9})$/.exec(value);
  if (!(pid > 0) || match === null) return false;
  readTimes.set(pid, clock.stamp(Number(match[1]), Number(match[2].padEnd(9, '0'))));
  return true;
}

function settings(values: ReadonlyMap<string, string>): Omit<Environment, 'readTimes'> {
  const number = (name: string): number | null => {
    const value = Number(values.get(name) ?? NaN);
    return value === value ? value : null;
  };
  const limit = (name: string): number | null => {
    const soft = values.get(name)?.split(/\s+/)[0];
    if (soft === undefined) return null;
    const value = soft === 'unlimited' ? Infinity : Number(soft);
    return value === value ? value : null;
  };
  const cap = number('cap_ipc_lock');
  const memoryKb = number('mem_total_kb');
  const thp = /\[(always|madvise|never)\]/.exec(values.get('transparent_hugepage') ?? '')?.[1] ?? null;
  return {
    kernel: values.get('kernel') ?? null,
    overcommitMemory: number('overcommit_memory'),
    maxMapCount: number('max_map_count'),
    mmapMinAddr: number('mmap_min_addr'),
    transparentHugepage: thp as Environment['transparentHugepage'],
    rlimitStack: limit('rlimit_stack'),
    rlimitData: limit('rlimit_data'),
    rlimitAs: limit('rlimit_as'),
    rlimitMemlock: limit('rlimit_memlock'),
    capIpcLock: cap === null ? null : cap !== 0,
    noexecDevices: new Set(values.get('noexec')?.split(' ')),
    totalRamPages: memoryKb === null ? null : (memoryKb + (number('swap_total_kb') ?? 0)) / KB_PER_PAGE,
  };
}
