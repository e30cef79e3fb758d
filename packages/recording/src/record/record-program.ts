import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { RecordingError } from '../diagnostics.js';
import { Recording } from '../recording.js';
import { clockOffsetNs } from './clock-offset.js';
import { programSegments } from './elf-file.js';
import { EndWatcher } from './end-watcher.js';
import { environmentText } from './environment-text.js';
import { mappedFiles, ownEvents } from './own-events.js';

const PERF = 'perf';

/** Calls that a recording needs. */
const TRACED = '%memory,execve,execveat,clone,clone3,vfork,fork,exit,exit_group,open,openat,openat2,creat,memfd_create,truncate,ftruncate,'
  + 'fallocate,personality,prctl,arch_prctl,prlimit64,setrlimit,userfaultfd,io_setup,process_madvise,fcntl';
/** Of fcntl, as strace prints it raw. */
const F_ADD_SEALS = ', 0x409';
/** exit_group is held back this long, so that what the process maps can be read before it is gone. */
const HOLD_US = 120000;

const TRACEPOINTS = [
  '-e', 'exceptions:page_fault_user', '-e', 'exceptions:page_fault_kernel',
  '-e', 'mmap_lock:mmap_lock_acquire_returned', '--filter', 'write == 1 && success == 1', '-c', '1', '-k', 'CLOCK_MONOTONIC',
];
const PLAIN_FAULTS = ['-e', 'page-faults', '-c', '1', '-k', 'CLOCK_REALTIME'];

export interface RecordOptions {
  readonly signal?: AbortSignal;
}

export interface RecordOutcome {
  /** Of the program; null where a signal ended it. */
  readonly exitCode: number | null;
  /** What could not be recorded, and why. */
  readonly missing: readonly string[];
  /** Processes whose end was read. */
  readonly processes: number;
}

/**
 * Runs `command` under strace and perf and writes a recording of it. The program's
 * input and output are the caller's own.
 *
 * @param folder made if need be; files of an earlier recording in it are replaced
 * @throws RecordingError where strace or perf is not to be had, or nothing was recorded
 */
export async function recordProgram(folder: string, command: readonly string[], options: RecordOptions = {}): Promise<RecordOutcome> {
  requireTool('strace');
  requireTool(PERF);
  mkdirSync(folder, { recursive: true });
  const missing: string[] = [];
  const hasTracepoints = canReadTracepoints();
  if (!hasTracepoints) missing.push('tracepoints need root: no error codes of faults, no order of threads');
  const data = join(folder, 'perf.data');
  const offsetNs = clockOffsetNs();
  const watcher = new EndWatcher(folder, offsetNs);
  const child = spawn(PERF, [
    'record', '-q', '-m', '4M', ...(hasTracepoints ? TRACEPOINTS : PLAIN_FAULTS), '-d', '-o', data,
    'strace', '-f', '--absolute-timestamps=format:unix,precision:ns', '-X', 'raw', '-y', '-s', '64', '-e', 'raw=mremap', '-e', 'signal=none',
    '-e', `trace=${TRACED}`, '-e', `inject=exit_group:delay_enter=${HOLD_US}`, '-o', join(folder, 'trace.strace'), ...command,
  ], { stdio: 'inherit', ...(options.signal === undefined ? {} : { signal: options.signal }) });
  const exited = new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) => resolve(code));
  });
  if (child.pid !== undefined) watcher.start(child.pid);
  const exitCode = await exited.finally(() => watcher.stop());
  const driftNs = clockOffsetNs() - offsetNs;
  keepWhatDecides(join(folder, 'trace.strace'));
  writeEvents(folder, data, hasTracepoints ? offsetNs : 0n);
  writeFileSync(join(folder, 'environment'), environmentText(driftNs, watcher.readTimes));
  writeFileSync(join(folder, 'command'), `${command.join(' ')}\n${kernelName()}\n`);
  writeFiles(folder);
  rmSync(data, { force: true });
  return { exitCode, missing, processes: watcher.readTimes.size };
}

function writeEvents(folder: string, data: string, offsetNs: bigint): void {
  const trace = readFileSync(join(folder, 'trace.strace'), 'utf8');
  const root = Number(/^\s*(\d+)/.exec(trace)?.[1] ?? NaN);
  if (!(root > 0)) throw new RecordingError(join(folder, 'trace.strace'), 0, 'strace wrote nothing: did the program start?');
  const script = spawnSync(PERF, [
    'script', '-i', data, '--ns', '--show-mmap-events', '--show-task-events', '--show-lost-events',
    '-F', offsetNs === 0n ? 'comm,pid,tid,time,event,addr' : 'comm,pid,tid,time,event,trace',
  ], { maxBuffer: 2 ** 31 - 1, encoding: 'latin1', stdio: ['ignore', 'pipe', 'ignore'] });
  writeFileSync(join(folder, 'events.perf'), ownEvents(script.stdout, root, offsetNs), 'latin1');
}

/** `files` and `elf`: of what is still there. */
function writeFiles(folder: string): void {
  writeFileSync(join(folder, 'files'), mappedFiles(readFileSync(join(folder, 'events.perf'), 'utf8')));
  const recording = new Recording(folder);
  const paths = new Set<string>();
  for (let effect = recording.next(); effect !== null; effect = recording.next()) {
    if (effect.kind !== 'exec') continue;
    if (effect.rows.length === 0 && effect.path?.startsWith('/') === true) paths.add(effect.path);
    for (const row of effect.rows) if (row.name.startsWith('/') && row.name !== '//anon') paths.add(row.name);
  }
  recording.close();
  writeFileSync(join(folder, 'elf'), [...paths].sort().map(programSegments).join(''));
}

/** A failed open decides nothing and there are many; so does an fcntl that adds no seals. Halves of one are dropped together. */
function keepWhatDecides(path: string): void {
  const kept: string[] = [];
  const open = new Map<string, number>();
  for (const line of readFileSync(path, 'latin1').split('\n')) {
    const match = /^(\d+)\s+\S+ (?:<\.\.\. )?(open|openat|openat2|creat|fcntl)\b/.exec(line);
    if (match === null) {
      kept.push(line);
      continue;
    }
    const tid = match[1] as string;
    if (match[2] === 'fcntl' && !line.includes(' resumed>') && !line.includes(F_ADD_SEALS)) {
      open.delete(tid);
    } else if (match[2] === 'fcntl' && line.includes(' resumed>') && !open.delete(tid)) {
      continue;
    } else if (line.endsWith('<unfinished ...>')) {
      open.set(tid, kept.push(line) - 1);
    } else if (/ = -1 [A-Z]+ /.test(line)) {
      const half = open.get(tid);
      if (line.includes(' resumed>') && half !== undefined) kept[half] = '';
    } else {
      kept.push(line);
    }
  }
  writeFileSync(path, `${kept.filter((line) => line !== '').join('\n')}\n`, 'latin1');
}

function canReadTracepoints(): boolean {
  return ['/sys/kernel/tracing', '/sys/kernel/debug/tracing'].some((root) => existsSync(join(root, 'events/exceptions/page_fault_user')));
}

function requireTool(name: string): void {
  const found = spawnSync(name, ['--version'], { stdio: 'ignore' });
  if (found.error !== undefined || found.status !== 0) throw new RecordingError(name, 0, `expected ${name} in PATH: a recording needs strace and perf`);
}

function kernelName(): string {
  const { stdout } = spawnSync('uname', ['-sr'], { encoding: 'utf8' });
  return stdout.trim();
}
