import {
  EFAULT, ENODEV, ENOMEM, MAP_32BIT, MAP_ANONYMOUS, MAP_FIXED, MAP_FIXED_NOREPLACE, MAP_SHARED, MREMAP_FIXED, PF_USER, PF_WRITE, VM_FAULT_OOM, VM_FAULT_SIGSEGV,
} from '@mmun/include';
import type { BootedMachine, File, MapsRow, TaskStruct, Vaddr } from '@mmun/include';
import type { Call } from '../call.js';
import type { Effect, ExecEffect, ForkEffect } from '../effect.js';
import type { FaultEvent } from '../perf-event.js';
import type { Recording } from '../recording.js';
import { unsupportedReason } from '../unsupported.js';
import { bareLayout, layoutFromMaps } from './bare-layout.js';
import { EndComparison } from './end-comparison.js';
import { execLayout } from './exec-layout.js';
import { follow } from './follow.js';
import { run } from './machine.js';
import type { Driven } from './machine.js';
import { OpenFiles } from './open-files.js';
import { hasUnreadableArgs, perform } from './perform.js';
import { Policies } from './policies.js';
import { ProcessTally } from './process-tally.js';
import { SysvShm } from './sysv-shm.js';
import { ReplayThreads } from './threads.js';

/** What perf calls shared anonymous memory, and shared memory of /dev/zero. */
const SHARED_ANONYMOUS = '/dev/zero (deleted)';
const NO_FILE = 0 as File;
const NONE = 0 as TaskStruct;
const RLIMITS_MODELLED: ReadonlySet<number> = new Set([2, 3, 8, 9]);

/** Replays one recording's effects, one by one, on a booted machine. */
export class Replayer<M extends BootedMachine> {
  readonly #driven: Driven<M>;
  readonly #recording: Recording;
  readonly #threads: ReplayThreads<M>;
  readonly #files: OpenFiles<M>;
  readonly #shm: SysvShm<M>;
  readonly #policies = new Policies();
  readonly #ends: EndComparison;
  readonly #tallies: Map<number, ProcessTally> = new Map();
  /** Processes whose exec showed no rows: where mmap begins is learned from its first answer. */
  readonly #bare: Map<number, { startBrk: number }> = new Map();
  /** Processes of whose program nothing is known, and their children. */
  readonly #unplaced: Set<number> = new Set();

  constructor(driven: Driven<M>, recording: Recording) {
    this.#driven = driven;
    this.#recording = recording;
    this.#threads = new ReplayThreads(driven);
    this.#files = new OpenFiles(driven, recording.files, recording.environment.noexecDevices);
    this.#shm = new SysvShm(driven);
    this.#ends = new EndComparison(recording);
  }

  /** In the order in which the processes were first seen. */
  get tallies(): readonly ProcessTally[] {
    return [...this.#tallies.values()];
  }

  /** @returns the task that acted; 0 where the effect concerned none */
  apply(effect: Effect): TaskStruct {
    switch (effect.kind) {
      case 'call': return this.#call(effect);
      case 'fault': return this.#fault(effect);
      case 'fork': return this.#fork(effect);
      case 'exec': return this.#exec(effect);
      case 'exit': return this.#exit(effect.tid, effect.pid);
      case 'compare': this.#compare(effect.pid); return NONE;
      case 'lost': return NONE;
    }
  }

  /** After the last effect: processes that are still there are compared as they stand. */
  finish(): void {
    for (const tally of this.#tallies.values()) if (!tally.isCompared && this.#threads.hasThreads(tally.pid)) this.#compare(tally.pid);
  }

  // --- calls ---

  #call(call: Call): TaskStruct {
    const tally = this.#tally(call.pid);
    tally.countCall(call.name);
    const unsupported = unsupportedReason(call);
    if (unsupported !== null) {
      this.#skip(call, unsupported);
      return NONE;
    }
    switch (call.point) {
      case 'now': return NONE;
      case 'return': return this.#aside(call);
      default: return this.#memoryCall(call, tally);
    }
  }

  /** Calls that concern files and limits. */
  #aside(call: Call): TaskStruct {
    if (!(call.result >= 0)) return NONE;
    switch (call.name) {
      case 'open': case 'openat': case 'openat2': case 'creat': case 'memfd_create': this.#files.onOpen(call); break;
      case 'truncate': case 'ftruncate': case 'fallocate': this.#files.onTruncate(call); break;
      case 'fcntl': this.#files.onAddSeals(call); break;
      case 'prlimit64': case 'setrlimit': this.#setRlimit(call); break;
      default: break;
    }
    return NONE;
  }

  #setRlimit(call: Call): void {
    if (call.limits === null) return;
    const isOther = call.name === 'prlimit64' && call.args[0] !== 0;
    const resource = call.args[call.name === 'prlimit64' ? 1 : 0];
    const task = isOther ? this.#threads.ofProcess(call.args[0]) : this.#threads.require(call.tid, call.pid);
    const { image, machine } = this.#driven;
    if (task !== NONE && RLIMITS_MODELLED.has(resource)) image.setRlimit(machine, task, resource, call.limits.cur);
  }

  #memoryCall(call: Call, tally: ProcessTally): TaskStruct {
    if (hasUnreadableArgs(call)) {
      this.#skip(call, `cannot read the arguments of ${call.name}`);
      return NONE;
    }
    if (call.name === 'mmap' && (call.result >= 0 || call.result === -ENOMEM) && this.#files.isHugetlb(call)) {
      if (call.result >= 0) this.#skip(call, 'a recording does not tell how many huge pages there were');
      return NONE;
    }
    // Whether a file can be mapped at all (a directory, a pipe, /dev/null) is known to the recording alone.
    if (call.name === 'mmap' && call.result === -ENODEV) return NONE;
    const task = this.#enter(call.tid, call.pid);
    if (task === NONE) return NONE;
    const learned = this.#bare.size > 0 && this.#learnBase(call, task);
    const file = call.name === 'mmap' && (call.args[3] & MAP_ANONYMOUS) === 0 ? this.#files.fileOfCall(call) : NO_FILE;
    const model = this.#perform(call, file);
    if (model === null) {
      if (call.result >= 0 && call.name !== 'mincore') this.#skip(call, call.name === 'shmat' ? 'nothing shows how large the segment is' : `the image does not do ${call.name}(2)`);
      return task;
    }
    if (call.name !== 'brk' && !this.#isUnknownGround(call, model)) tally.countErrno(this.#recording.traceFile, call, model);
    const isAsked = asksForAddress(call, model) && !learned;
    if (isAsked) tally.countAddress(this.#recording.traceFile, call, model);
    // An address that nobody asked for (munmap's 0) is no difference.
    if (isAsked || (model < 0) !== (call.result < 0)) follow(this.#driven, call, model, file);
    if (call.mapped?.name === SHARED_ANONYMOUS && isSharedMmap(call)) this.#ends.learnInode(this.#rowAt(task, call.result), call.mapped.inode);
    return task;
  }

  #perform(call: Call, file: File): number | null {
    switch (call.name) {
      case 'shmat': return this.#shm.attach(call);
      case 'shmdt': return this.#shm.detach(call.args[0]);
      case 'mbind': return this.#mbind(call);
      default: return perform(this.#driven, withRandomBase(call), file);
    }
  }

  /** Which nodes there were decides a refusal. */
  #mbind(call: Call): number | null {
    const { image, machine } = this.#driven;
    if (image.sysMbind === undefined || call.result < 0) return null;
    return run(this.#driven, image.sysMbind(machine, call.args[0] as Vaddr, call.args[1], this.#policies.word(call)));
  }

  /** Where nothing shows what execve mapped, a call on the program's own image finds nothing: that says nothing of the model. */
  #isUnknownGround(call: Call, model: number): boolean {
    return this.#unplaced.has(call.pid) && call.result >= 0 && (model === -ENOMEM || model === -EFAULT);
  }

  #rowAt(task: TaskStruct, address: number): MapsRow | undefined {
    const { image, machine } = this.#driven;
    return image.procMaps(machine, image.mmOf(machine, task)).find((row) => row.start <= address && address < row.end);
  }

  /** Without exec's rows: the first address that mmap returned shows where the downward search begins. */
  #learnBase(call: Call, task: TaskStruct): boolean {
    const bare = this.#bare.get(call.pid);
    if (bare === undefined) return false;
    if (call.name === 'brk') {
      if (bare.startBrk === 0) bare.startBrk = call.result;
      else return false;
    } else if (call.name === 'mmap' && call.result > 0 && asksForAddress(call, call.result)) {
      this.#bare.delete(call.pid);
    } else return false;
    const { image, machine } = this.#driven;
    image.setCurrent(machine, task);
    const mmapBase = call.name === 'mmap' ? call.result + Math.ceil(call.args[1] / 4096) * 4096 : null;
    run(this.#driven, image.sysExecve(machine, bareLayout(bare.startBrk, mmapBase)));
    return true;
  }

  // --- faults ---

  #fault(event: FaultEvent): TaskStruct {
    const task = this.#enter(event.tid, event.pid);
    if (task === NONE) return NONE;
    this.#tally(event.pid).faults++;
    const { image, machine } = this.#driven;
    const address = event.address as Vaddr;
    let outcome: number;
    if (event.errorCode >= 0) outcome = run(this.#driven, image.doPageFault(machine, address, event.errorCode));
    else {
      // The recording does not say: on a writable row a write, else a read.
      outcome = run(this.#driven, image.doPageFault(machine, address, PF_USER | PF_WRITE));
      if ((outcome & VM_FAULT_SIGSEGV) !== 0) outcome = run(this.#driven, image.doPageFault(machine, address, PF_USER));
    }
    if ((outcome & VM_FAULT_OOM) !== 0) {
      this.#recording.skippedList.addOnce(this.#recording.perfFile, event.line, 'the machine is out of page frames: boot it with more (nrFrames)');
    }
    return task;
  }

  // --- processes ---

  #fork(effect: ForkEffect): TaskStruct {
    const parent = this.#threads.require(effect.tid, effect.pid);
    const child = parent === NONE ? NONE : this.#threads.fork(parent, { tid: effect.childTid, pid: effect.childPid, cloneFlags: effect.cloneFlags });
    if (child === NONE) {
      this.#recording.skippedList.add(this.#recording.perfFile, effect.line, `the image has no room for process ${effect.childPid}`);
      return NONE;
    }
    this.#files.onFork(effect.pid, effect.childPid);
    if (this.#unplaced.has(effect.pid)) this.#unplaced.add(effect.childPid);
    if (effect.childPid !== effect.pid) this.#tally(effect.childPid, this.#tally(effect.pid).command);
    return child;
  }

  #exec(effect: ExecEffect): TaskStruct {
    const { image, machine } = this.#driven;
    const tally = this.#tally(effect.pid);
    if (effect.comm !== null || effect.path !== null) tally.command = effect.comm ?? effect.path ?? '';
    for (const other of this.#threads.othersOf(effect.pid, effect.tid)) {
      if (this.#threads.get(effect.tid) !== NONE) this.#endThread(other, effect.pid);
    }
    if (this.#threads.get(effect.tid) === NONE && this.#threads.hasThreads(effect.pid)) this.#threads.rename(effect.pid);
    const task = this.#enter(effect.tid, effect.pid);
    if (task === NONE) return NONE;
    const opened = new Map<string, File>();
    const layout = execLayout(effect, {
      elf: this.#recording.elf, stat: this.#recording.ends.stat(effect.pid),
      fileOf: (row) => {
        let file = opened.get(row.name);
        if (file === undefined) {
          file = this.#files.openForExec(row);
          opened.set(row.name, file);
        }
        return file;
      },
    });
    this.#ends.setExec(effect.pid, layout !== null);
    this.#bare.delete(effect.pid);
    this.#unplaced.delete(effect.pid);
    run(this.#driven, image.sysExecve(machine, layout ?? this.#layoutWithoutRows(effect, opened)));
    for (const file of opened.values()) if (file !== 0) this.#files.close(file);
    return task;
  }

  /** No MMAP2: from the process' maps at its end, else nothing but what its first calls show. */
  #layoutWithoutRows(effect: ExecEffect, opened: Map<string, File>): ReturnType<typeof bareLayout> {
    const maps = this.#recording.ends.read(effect.pid)?.maps ?? null;
    const layout = maps === null ? null : layoutFromMaps(maps, {
      stat: this.#recording.ends.stat(effect.pid), elf: this.#recording.elf,
      fileOf: (row) => {
        const file = opened.get(row.name) ?? this.#files.openForExec(row);
        opened.set(row.name, file);
        return file;
      },
    });
    if (layout !== null) return layout;
    const startBrk = effect.firstBrk ?? 0;
    this.#bare.set(effect.pid, { startBrk });
    this.#unplaced.add(effect.pid);
    return bareLayout(startBrk, null);
  }

  #exit(tid: number, pid: number): TaskStruct {
    const tally = this.#tallies.get(pid);
    const isLast = this.#threads.othersOf(pid, tid).length === 0;
    if (isLast && tally !== undefined && !tally.isCompared && this.#threads.get(tid) !== NONE) this.#compare(pid);
    if (isLast) this.#files.onExit(pid);
    this.#endThread(tid, pid);
    return NONE;
  }

  #endThread(tid: number, pid: number): void {
    const task = this.#threads.get(tid);
    if (task === NONE) return;
    const { image, machine } = this.#driven;
    image.setCurrent(machine, task);
    run(this.#driven, image.sysExit(machine));
    this.#threads.delete(tid, pid);
  }

  #compare(pid: number): void {
    const tally = this.#tallies.get(pid);
    const task = this.#threads.ofProcess(pid);
    if (tally === undefined || tally.isCompared || task === NONE) return;
    tally.isCompared = true;
    const { image, machine } = this.#driven;
    this.#ends.compare(tally, () => image.procMaps(machine, image.mmOf(machine, task)));
  }

  /** Makes the thread the current one. */
  #enter(tid: number, pid: number): TaskStruct {
    const task = this.#threads.require(tid, pid);
    if (task !== NONE) this.#driven.image.setCurrent(this.#driven.machine, task);
    else this.#recording.skippedList.addOnce(this.#recording.traceFile, 0, 'the image has no room for more threads');
    return task;
  }

  #tally(pid: number, command = ''): ProcessTally {
    let tally = this.#tallies.get(pid);
    if (tally === undefined) {
      tally = new ProcessTally(pid, command);
      this.#tallies.set(pid, tally);
    }
    return tally;
  }

  #skip(call: Call, reason: string): void {
    this.#recording.skippedList.add(this.#recording.traceFile, call.line, reason);
  }
}

/**
 * Did the kernel choose an address here? mmap without MAP_FIXED; brk, whose answer
 * is an address; mremap where it moved the mapping to where it liked.
 */
function asksForAddress(call: Call, model: number): boolean {
  if (call.result < 0) return false;
  switch (call.name) {
    case 'mmap': return (call.args[3] & (MAP_FIXED | MAP_FIXED_NOREPLACE)) === 0;
    case 'brk': return true;
    case 'shmat': return call.args[1] === 0;
    case 'mremap': return (call.args[3] & MREMAP_FIXED) === 0 && (call.result !== call.args[0] || model !== call.result);
    default: return false;
  }
}

function isSharedMmap(call: Call): boolean {
  return call.name === 'mmap' && call.result > 0 && (call.args[3] & MAP_SHARED) !== 0;
}

/** What MAP_32BIT searches upward from is random each time: the recorded answer is the hint, and must be free. find_start_end() */
function withRandomBase(call: Call): Call {
  if (call.name !== 'mmap' || !(call.result > 0) || (call.args[3] & (MAP_32BIT | MAP_FIXED | MAP_FIXED_NOREPLACE)) !== MAP_32BIT) return call;
  return { ...call, args: [call.result, ...call.args.slice(1)] };
}
