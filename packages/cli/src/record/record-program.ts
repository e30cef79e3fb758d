/**
 * Records a program as docs/recording-a-program.md describes it: perf around strace around the program, then the texts
 * cleaned, put on one clock and completed with what only the running system knows.
 */
import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { UsageError } from '../usage-error.js';
import { clockOffsetNs } from './clock-offset.js';
import { elfLines } from './elf-file.js';
import { EndStates } from './end-states.js';
import { writeEvents } from './perf-file.js';
import type { MappedPath } from './perf-file.js';
import { kernelLine, settingLines } from './settings.js';
import { writeTrace } from './trace-file.js';

export interface Recorded {
  readonly nrThreads: number;
  readonly nrEndStates: number;
  readonly hasLost: boolean;
  /** The program's own exit code. */
  readonly exitCode: number;
}

const HOLD_EXIT_US = 120_000;

const STRACE = [
  '-q', '-f', '--absolute-timestamps=format:unix,precision:ns', '-X', 'raw', '-y', '-s', '64', '-e', 'raw=mremap', '-e', 'signal=none',
  '-e', 'trace=%memory,execve,execveat,clone,clone3,vfork,fork,exit,exit_group,open,openat,openat2,creat,memfd_create,truncate,ftruncate,'
    + 'fallocate,personality,prctl,prlimit64,setrlimit',
  '-e', `inject=exit_group:delay_enter=${HOLD_EXIT_US}`,
];

const PERF = [
  'record', '-q', '-m', '4M', '-e', 'exceptions:page_fault_user', '-e', 'exceptions:page_fault_kernel',
  '-e', 'mmap_lock:mmap_lock_acquire_returned', '--filter', 'write == 1 && success == 1', '-c', '1', '-d', '-k', 'CLOCK_MONOTONIC',
];

const SCRIPT = ['script', '--ns', '--show-mmap-events', '--show-task-events', '--show-lost-events', '-F', 'comm,pid,tid,time,event,trace'];

/** @throws UsageError where perf or strace could not do their part */
export async function recordProgram(folder: string, command: readonly string[]): Promise<Recorded> {
  mkdirSync(folder, { recursive: true });
  const scratch = mkdtempSync(join(tmpdir(), 'mmun-record-'));
  try {
    const raw = { trace: join(scratch, 'trace'), data: join(scratch, 'perf.data') };
    const offsetNs = clockOffsetNs();
    const ends = new EndStates(raw.trace, folder, offsetNs);
    const child = spawn('perf', [...PERF, '-o', raw.data, '--', 'strace', ...STRACE, '-o', raw.trace, ...command], { stdio: 'inherit' });
    ends.start();
    const exitCode = await exitOf(child).finally(() => ends.stop());
    const driftNs = clockOffsetNs() - offsetNs;
    if (!isFilled(raw.trace) || !isFilled(raw.data)) throw new UsageError('nothing was recorded: perf tracepoints need root (or CAP_PERFMON and a readable /sys/kernel/tracing)');
    const trace = writeTrace(raw.trace, join(folder, 'trace.strace'));
    const script = spawn('perf', [...SCRIPT, '-i', raw.data], { stdio: ['ignore', 'pipe', 'ignore'] });
    const perf = await writeEvents(script.stdout, join(folder, 'events.perf'), trace, offsetNs);
    const environment = [...settingLines(), `clock_drift_ns ${driftNs}`, ...[...ends.readTimes].sort(([a], [b]) => a - b).map(([pid, stamp]) => `read_${pid} ${stamp}`)];
    writeLines(join(folder, 'environment'), environment);
    writeLines(join(folder, 'files'), fileLines(perf.mapped));
    writeLines(join(folder, 'elf'), [...perf.executed].flatMap(elfLines));
    writeLines(join(folder, 'command'), [command.join(' '), kernelLine()]);
    return { nrThreads: trace.tids.size, nrEndStates: ends.readTimes.size, hasLost: perf.hasLost, exitCode };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function exitOf(child: ChildProcess): Promise<number> {
  const ignore = (): void => undefined; // Ctrl-C is for the program; what it did until then is kept
  process.on('SIGINT', ignore);
  try {
    const [code] = (await once(child, 'exit')) as [number | null];
    return code ?? 1;
  } finally {
    process.off('SIGINT', ignore);
  }
}

function isFilled(path: string): boolean {
  return (statSync(path, { throwIfNoEntry: false })?.size ?? 0) > 0;
}

/** `MAJ:MIN INODE SIZE PATH` of each mapped file that is still there. */
function fileLines(mapped: readonly MappedPath[]): string[] {
  return mapped
    .flatMap(({ device, inode, path }) => {
      const stat = path.startsWith('/') ? statSync(path, { throwIfNoEntry: false, bigint: true }) : undefined;
      return stat !== undefined && String(stat.ino) === inode && stat.isFile() ? [{ key: `${device} ${inode.padStart(20)}`, line: `${device} ${inode} ${stat.size} ${path}` }] : [];
    })
    .sort((a, b) => (a.key < b.key ? -1 : 1))
    .map(({ line }) => line);
}

function writeLines(path: string, lines: readonly string[]): void {
  writeFileSync(path, lines.map((line) => `${line}\n`).join(''));
}
