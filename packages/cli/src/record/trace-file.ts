/** What remains of strace's own output: opens that failed are left out, both halves where there are two. */
import { readFileSync, writeFileSync } from 'node:fs';

const OPEN = /^(\d+)\s+\d+\.\d+ (open|openat|openat2|creat)\(/;
const OPEN_RESUMED = /^(\d+)\s+\d+\.\d+ <\.\.\. (open|openat|openat2|creat) resumed>/;
const ENTRY = /^(\d+)\s+(\d+)\.(\d{9}) [a-z_0-9]+\(/;

export interface TraceFacts {
  /** Every traced thread. */
  readonly tids: ReadonlySet<number>;
  /** When each thread entered its calls, in ns since 1970, ascending. */
  readonly entries: ReadonlyMap<number, readonly bigint[]>;
}

export function writeTrace(rawPath: string, path: string): TraceFacts {
  const lines = readFileSync(rawPath, 'latin1').split('\n');
  const isDropped = new Uint8Array(lines.length);
  const pendingOpen = new Map<string, number>();
  const tids = new Set<number>();
  const entries = new Map<number, bigint[]>();
  for (const [i, line] of lines.entries()) {
    const entry = ENTRY.exec(line);
    if (entry !== null) {
      const tid = Number(entry[1]);
      tids.add(tid);
      const times = entries.get(tid) ?? [];
      times.push(BigInt(entry[2]) * 1_000_000_000n + BigInt(entry[3]));
      entries.set(tid, times);
    }
    const opened = OPEN.exec(line);
    const resumed = opened === null ? OPEN_RESUMED.exec(line) : null;
    if (opened !== null && line.endsWith('<unfinished ...>')) pendingOpen.set(opened[1], i);
    else if ((opened !== null || resumed !== null) && / = -1 E[A-Z0-9]+ \(.*\)$/.test(line)) {
      isDropped[i] = 1;
      const first = resumed === null ? undefined : pendingOpen.get(resumed[1]);
      if (first !== undefined) isDropped[first] = 1;
    }
  }
  writeFileSync(path, lines.filter((_, i) => isDropped[i] === 0).join('\n'), 'latin1');
  return { tids, entries };
}
