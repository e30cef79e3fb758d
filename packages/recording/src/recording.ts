import { readdirSync, statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { Clock } from './clock.js';
import { RecordingError, SkippedList } from './diagnostics.js';
import type { Skipped } from './diagnostics.js';
import type { Effect } from './effect.js';
import { parseElf } from './elf.js';
import type { ElfSegment } from './elf.js';
import { parseEnvironment } from './environment.js';
import type { Environment } from './environment.js';
import { parseFiles } from './files.js';
import type { RecordedFile } from './files.js';
import { LineReader, fileSource } from './line-reader.js';
import type { ByteSource } from './line-reader.js';
import { EffectOrder } from './order.js';
import { PerfScanner } from './perf.js';
import { probePerf, probeStrace } from './probe.js';
import type { StraceProbe } from './probe.js';
import { ProcessEnds } from './process-ends.js';
import { StraceScanner } from './strace.js';
import { readTextFile } from './text-file.js';
import type { ParseContext } from './text-file.js';

const TRACE = 'trace.strace';
const EVENTS = 'events.perf';

/**
 * One recording: a folder as design section 9 describes it, or a strace log alone.
 * Small files are read when it is opened, the trace and perf's events while
 * `next()` is called; memory does not grow with their length.
 */
export class Recording {
  /** The folder's or the log's own name. */
  readonly name: string;
  /** First line of `command`; empty where there is none. */
  readonly command: string;
  readonly environment: Environment;
  /** By `fileKey`. */
  readonly files: ReadonlyMap<string, RecordedFile>;
  readonly elf: ReadonlyMap<string, readonly ElfSegment[]>;
  readonly ends: ProcessEnds;
  /** What the recording lacks and what that means, one sentence each; complete after the last effect. */
  readonly missing: string[] = [];
  /** Bytes of the trace and of perf's events. */
  readonly nrBytes: number;
  readonly clock: Clock;
  readonly skippedList: SkippedList;
  readonly traceFile: string;
  readonly perfFile: string;
  readonly #lines: LineReader;
  readonly #perfLines: LineReader | null;
  readonly #perf: PerfScanner | null;
  readonly #order: EffectOrder;
  #isFinished = false;

  /** @throws RecordingError where the trace is missing, empty or no strace text. */
  constructor(path: string) {
    const isFolder = isDirectory(path);
    const folder = isFolder ? path : null;
    const tracePath = isFolder ? join(path, TRACE) : path;
    this.name = basename(resolve(path));
    this.traceFile = isFolder ? `${this.name}/${TRACE}` : this.name;
    this.perfFile = `${this.name}/${EVENTS}`;
    this.clock = new Clock();
    this.skippedList = new SkippedList();
    const context = (name: string): ParseContext => this.context(name);
    const text = (name: string): string => this.#smallFile(folder, name);
    const trace = openTrace(tracePath);
    this.environment = parseEnvironment(text('environment'), this.clock, context('environment'));
    this.files = parseFiles(text('files'), context('files'));
    this.elf = parseElf(text('elf'), context('elf'));
    this.command = folder === null ? '' : (readTextFile(folder, 'command') ?? '').split('\n')[0];
    this.ends = new ProcessEnds(folder, folder === null ? [] : listFolder(folder), context);
    this.#noteMissing(folder, trace.probe);

    const perfPath = folder === null ? null : this.#usablePerf(join(folder, EVENTS), trace.probe);
    this.#lines = new LineReader(fileSource(tracePath));
    const scanner = { clock: this.clock, skipped: this.skippedList };
    const strace = new StraceScanner(this.#lines, { ...scanner, file: this.traceFile });
    this.#perfLines = perfPath === null ? null : new LineReader(fileSource(perfPath));
    this.#perf = this.#perfLines === null ? null : new PerfScanner(this.#perfLines, { ...scanner, file: this.perfFile });
    strace.defaultTid = perfPath === null ? 1 : (probePerf(fileSource(perfPath), new Clock()).firstTid ?? 1);
    this.nrBytes = fileSize(tracePath) + (perfPath === null ? 0 : fileSize(perfPath));
    const hasTimes = trace.probe.stampKind === 'wall' || trace.probe.stampKind === 'day';
    this.#order = new EffectOrder({
      strace, perf: this.#perf, readTimes: hasTimes ? this.environment.readTimes : new Map(), skipped: this.skippedList,
      straceFile: this.traceFile, perfFile: this.perfFile,
    });
  }

  /** The next effect; null at the end. */
  next(): Effect | null {
    const effect = this.#order.next();
    if (effect === null && !this.#isFinished) this.#finish();
    return effect;
  }

  /** 0 to 1: how much of the trace and of perf's events was read. */
  get progress(): number {
    const read = this.#lines.nrBytesRead + (this.#perfLines?.nrBytesRead ?? 0);
    return this.nrBytes === 0 ? 1 : Math.min(1, read / this.nrBytes);
  }

  /** perf's events are there and can be merged with the trace. */
  /** Are the faults of this process in it? */
  isWatched(pid: number): boolean {
    return this.hasFaults && !this.#order.unwatched.has(pid);
  }

  get hasFaults(): boolean {
    return this.#perf !== null;
  }

  /** Everything that was left aside so far. */
  get skipped(): Skipped[] {
    return this.skippedList.entries();
  }

  close(): void {
    this.#lines.close();
    this.#perfLines?.close();
  }

  /** Where a parser of the file `name` reports. */
  context(name: string): ParseContext {
    const file = `${this.name}/${name}`;
    return { file, skip: (line, reason) => this.skippedList.add(file, line, reason) };
  }

  #smallFile(folder: string | null, name: string): string {
    if (folder === null) return '';
    const text = readTextFile(folder, name);
    if (text === '') this.context(name).skip(0, 'empty file');
    if (text === null) this.missing.push(`${name}: ${WITHOUT[name] ?? 'missing'}`);
    return text ?? '';
  }

  #noteMissing(folder: string | null, probe: StraceProbe): void {
    if (folder === null) {
      this.missing.push('a trace alone: no faults, no mappings of execve, no end states to compare with');
    } else if (this.ends.pids.length === 0) {
      this.missing.push('maps.PID.end: no end states to compare with');
    } else if (this.environment.readTimes.size === 0) {
      this.missing.push('read_PID in environment: each process is compared at its exit');
    }
    if (probe.stampKind === 'none') this.missing.push('times in the trace (-ttt): calls are replayed in file order');
    if (probe.stampKind === 'relative') this.missing.push('absolute times in the trace (-ttt): perf cannot be merged');
  }

  /** The path of events.perf where it can be merged with the trace, else null and a word why. */
  #usablePerf(path: string, trace: StraceProbe): string | null {
    let nrBytes = 0;
    try {
      nrBytes = statSync(path).size;
    } catch {
      this.missing.push(`${EVENTS}: no faults, no mappings of execve, no order of threads; Anonymous and VmFlags are not compared`);
      return null;
    }
    if (nrBytes === 0) {
      this.skippedList.add(this.perfFile, 0, 'empty file: expected the output of perf script');
      return null;
    }
    const perf = probePerf(fileSource(path), this.clock);
    if (perf.nrUnderstood === 0) {
      this.skippedList.add(this.perfFile, 1, 'expected `COMM PID/TID TIME: EVENT`: no line of the file is that');
      return null;
    }
    if (trace.stampKind === 'none' || trace.stampKind === 'relative') return null;
    if (trace.stampKind === 'wall' && perf.firstSeconds !== null && Math.abs(perf.firstSeconds - trace.firstSeconds) > 3600) {
      this.skippedList.add(this.perfFile, 1, 'expected the clock of the trace: its times are more than an hour away');
      return null;
    }
    return path;
  }

  #finish(): void {
    this.#isFinished = true;
    const perf = this.#perf;
    if (perf !== null) {
      if (!perf.hasLocks) this.missing.push('mmap_lock events: the order of threads is that of the trace');
      if (perf.hasPlainFaults) this.missing.push('error codes of faults: a fault on a writable row is taken as a write');
      if (!this.#order.hasMmapEvents) this.missing.push('PERF_RECORD_MMAP2: no mappings of execve, no device and inode');
    }
    this.ends.skipStrangers(this.#order.threads.pids);
  }
}

const WITHOUT: Readonly<Record<string, string>> = {
  environment: 'the settings of the kernel are assumed, and each process is compared at its exit',
  files: 'sizes of mapped files are unknown',
  elf: 'the true length of a program\'s first segment is unknown',
};

function openTrace(path: string): { probe: StraceProbe } {
  let nrBytes = 0;
  try {
    const stat = statSync(path);
    if (!stat.isFile()) throw new RecordingError(path, 0, 'expected a strace text');
    nrBytes = stat.size;
  } catch (error) {
    if (error instanceof RecordingError) throw error;
    throw new RecordingError(path, 0, 'missing: expected the output of strace -f');
  }
  if (nrBytes === 0) throw new RecordingError(path, 0, 'empty: expected the output of strace -f');
  const probe = probeStrace(openOrThrow(path));
  if (probe.nrUnderstood === 0) throw new RecordingError(path, probe.firstLine, 'expected a strace line, `PID TIME NAME(ARGUMENTS) = RESULT`');
  return { probe };
}

function openOrThrow(path: string): ByteSource {
  try {
    return fileSource(path);
  } catch {
    throw new RecordingError(path, 0, 'cannot be read');
  }
}

function isDirectory(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch {
    throw new RecordingError(path, 0, 'missing: expected a recording\'s folder or a strace log');
  }
}

function listFolder(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    throw new RecordingError(folder, 0, 'cannot be read');
  }
}

function fileSize(path: string): number {
  return statSync(path).size;
}
