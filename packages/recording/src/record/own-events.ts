import { statSync } from 'node:fs';

const LINE = /^(.*?\s)(\d+)\/(\d+)(\s+)(\d+)\.(\d{9}):(.*)$/;
const FORK = /PERF_RECORD_FORK\((\d+):(\d+)\):\((\d+):(\d+)\)/;
const MMAP2 = /PERF_RECORD_MMAP2 \d+\/\d+: \[0x[0-9a-f]+\(0x[0-9a-f]+\) @ \S+ ([0-9a-f]+:[0-9a-f]+) (\d+) \d+\]: \S+ (\/.*)$/;

/**
 * The lines of `perf script` that belong to the program: those of its first thread
 * from its first exec on, and of every thread that descends from it. Times are moved
 * by `offsetNs` to the wall clock.
 */
export function ownEvents(script: string, rootPid: number, offsetNs: bigint): string {
  const own = new Set<number>();
  const out: string[] = [];
  for (const line of script.split('\n')) {
    const match = LINE.exec(line);
    if (match === null) continue;
    const tid = Number(match[3]);
    const event = match[7] as string;
    const fork = FORK.exec(event);
    if (fork !== null && own.has(Number(fork[4]))) own.add(Number(fork[2]));
    if (tid === rootPid && event.includes('PERF_RECORD_COMM exec: ') && !/ exec: strace:/.test(event)) own.add(rootPid);
    if (!own.has(tid) && !event.includes('PERF_RECORD_LOST')) continue;
    const timeNs = BigInt(match[5] as string) * 1000000000n + BigInt(match[6] as string) + offsetNs;
    const seconds = timeNs / 1000000000n;
    const ns = String(timeNs % 1000000000n).padStart(9, '0');
    out.push(`${match[1]}${match[2]}/${match[3]}${match[4]}${seconds}.${ns}:${event}`);
  }
  return `${out.join('\n')}\n`;
}

/** `MAJ:MIN INODE SIZE PATH` of each mapped file that is still there. */
export function mappedFiles(events: string): string {
  const lines = new Set<string>();
  for (const line of events.split('\n')) {
    const match = MMAP2.exec(line);
    if (match === null) continue;
    const path = match[3] as string;
    try {
      const stat = statSync(path);
      if (stat.isFile()) lines.add(`${match[1]} ${match[2]} ${stat.size} ${path}\n`);
    } catch {
      // Gone: its size is not known.
    }
  }
  return [...lines].sort().join('');
}
