import { CLONE_VM } from '@mmun/include';
import type { Call, Ended, Resumed, StraceRecord } from './call.js';
import type { SkippedList } from './diagnostics.js';
import { DEAD, EffectQueue, UNDECIDED } from './effect-queue.js';
import type { PendingCall, PendingExec } from './effect-queue.js';
import { CLONE_THREAD, cloneFlags, isClone, isExecve, needsMmapEvent, takesWriteLock } from './effect-point.js';
import type { CompareEffect, Effect } from './effect.js';
import type { CommEvent, ExitEvent, FaultEvent, ForkEvent, LockEvent, MmapEvent, PerfEvent } from './perf-event.js';
import { SortedAhead } from './sorted-ahead.js';
import { ThreadTable } from './thread-table.js';
import type { Thread } from './thread-table.js';

const PF_USER = 4;
/** An exec waits for its program's first call; one that faults this often before it is not waited for. */
const MAX_HELD_BACK = 1 << 16;

/** What the order merges. */
export interface OrderSources {
  readonly strace: { next(): StraceRecord | null };
  /** null: no perf, or its times do not compare with the trace's. */
  readonly perf: { next(): PerfEvent | null; readonly hasLocks: boolean } | null;
  /** When each process' .end files were read, in ns; empty where the trace has no comparable times. */
  readonly readTimes: ReadonlyMap<number, number>;
  readonly skipped: SkippedList;
  readonly straceFile: string;
  readonly perfFile: string;
}

/**
 * The order in which things took effect.
 *
 * - A call that takes the mmap lock for writing takes effect at its thread's first
 *   lock event between its entry and the thread's next call; a fault of the
 *   thread in between means that it took no lock. Without one: at its entry.
 * - Everything else takes effect at its stamp, a call before an event of the same stamp.
 * - A child is born at its FORK event; a new mm begins at a COMM exec event and
 *   holds the MMAP2 rows up to the thread's first fault in user mode or next call.
 * - The MMAP2 of a call is its thread's next one before the thread's next call.
 *
 * Without perf, or where it lacks such events, strace's lines stand in for them.
 */
export class EffectOrder {
  readonly threads: ThreadTable = new ThreadTable();
  hasForkEvents = false;
  hasExecEvents = false;
  hasMmapEvents = false;
  /** Processes that perf left: by the exec of a program with rights of its own (setuid, setgid), and all their children. */
  readonly unwatched: Set<number> = new Set();
  readonly #sources: OrderSources;
  readonly #strace: SortedAhead<StraceRecord>;
  readonly #perf: SortedAhead<PerfEvent> | null;
  readonly #compares: readonly CompareEffect[];
  readonly #queue = new EffectQueue();
  #nextCompare = 0;
  /** The last strace record, if it was a whole call that failed: it was over before the next record. */
  #failed: Thread | null = null;
  #isAtEnd = false;
  /** A fault with nothing before it that waits: it need not pass through the queue. */
  #ready: Effect | null = null;

  constructor(sources: OrderSources) {
    this.#sources = sources;
    this.#strace = new SortedAhead(() => sources.strace.next());
    const perf = sources.perf;
    this.#perf = perf === null ? null : new SortedAhead(() => perf.next());
    this.#compares = [...sources.readTimes]
      .map(([pid, time]): CompareEffect => ({ kind: 'compare', time, line: 0, pid, tid: pid }))
      .sort((a, b) => a.time - b.time);
  }

  /** The next effect; null at the end. */
  next(): Effect | null {
    for (;;) {
      const effect = this.#queue.size === 0 ? null : this.#queue.take();
      if (effect !== null || this.#isAtEnd) return effect;
      this.#step();
      const ready = this.#ready;
      if (ready !== null) {
        this.#ready = null;
        return ready;
      }
    }
  }

  #step(): void {
    const record = this.#strace.peek();
    const event = this.#perf === null ? null : this.#perf.peek();
    const compare = this.#nextCompare < this.#compares.length ? this.#compares[this.#nextCompare] : null;
    const recordTime = this.#strace.time;
    const eventTime = this.#perf === null ? Infinity : this.#perf.time;
    if (compare !== null && !(compare.time >= recordTime || compare.time >= eventTime)) {
      this.#nextCompare++;
      this.#queue.push(compare);
    } else if (record !== null && !(recordTime > eventTime)) {
      this.#strace.shift();
      this.#onRecord(record);
    } else if (event !== null && this.#perf !== null) {
      this.#perf.shift();
      this.#onEvent(event);
    } else {
      this.#finish();
    }
  }

  // --- strace ---

  #onRecord(record: StraceRecord): void {
    if (this.#failed !== null) {
      this.#placeAtEntry(this.#failed);
      this.#failed = null;
    }
    if (record.kind === 'call') this.#onCall(record);
    else if (record.kind === 'resumed') this.#onResumed(record);
    else this.#onEnded(record);
  }

  #onCall(call: Call): void {
    const thread = this.threads.get(call.tid) ?? this.#unannounced(call);
    call.pid = thread.pid;
    const exec = thread.exec;
    this.#settle(thread);
    if (thread.open !== null) this.#drop(thread.open);
    const isWhole = call.result === call.result || !call.hasReturned;
    const pending: PendingCall = {
      kind: 'pending-call', call, entrySeq: UNDECIDED, place: UNDECIDED, isReturned: isWhole, isWaitingForMmap: false,
    };
    thread.open = isWhole ? null : pending;
    if (exec !== null && call.name === 'brk' && call.args[0] === 0) this.#takeFirstBrk(thread, exec, call);
    thread.clone = isClone(call) ? call : null;
    thread.execve = isExecve(call) ? call : null;
    if (call.point === 'now') {
      this.#queue.push(call);
      if (isWhole) this.#onReturn(thread, call);
    } else if (call.point === 'return') {
      if (isWhole && call.hasReturned) this.#queue.push(call);
    } else {
      this.#place(thread, pending);
    }
  }

  /** Where the heap begins is known from the program's first brk(NULL), its very first call under glibc. */
  #takeFirstBrk(thread: Thread, exec: PendingExec, call: Call): void {
    if (call.result > 0) exec.effect.firstBrk = call.result;
    else if (call.hasReturned) {
      exec.isOpen = true;
      thread.exec = exec;
    }
  }

  /** A call on the address space: its slot, and what it waits for. */
  #place(thread: Thread, pending: PendingCall): void {
    const { call } = pending;
    pending.entrySeq = this.#queue.push(pending);
    if (!call.hasReturned) {
      pending.place = DEAD;
      return;
    }
    const perf = this.#sources.perf;
    if (perf !== null && perf.hasLocks && takesWriteLock(call)) {
      thread.waiting = pending;
      if (call.result < 0) this.#failed = thread;
    } else {
      pending.place = pending.entrySeq;
    }
    if (this.hasMmapEvents && needsMmapEvent(call)) {
      pending.isWaitingForMmap = true;
      thread.mapping = pending;
    }
  }

  #onResumed(resumed: Resumed): void {
    const thread = this.threads.get(resumed.tid);
    const pending = thread?.open ?? null;
    if (thread === undefined || pending === null || pending.call.name !== resumed.name) {
      // A thread's execve ends under its leader's number; exit_group ends after the thread.
      // An fcntl that adds no seals was read over.
      if (resumed.name === 'execve' || resumed.name === 'execveat' || resumed.name === 'fcntl' || this.threads.isGone(resumed.tid)) return;
      this.#sources.skipped.add(this.#sources.straceFile, resumed.line, `${resumed.name} resumed, but never unfinished`);
      return;
    }
    const { call } = pending;
    thread.open = null;
    call.result = resumed.result;
    call.hasReturned = resumed.hasReturned;
    call.resultPath = resumed.resultPath;
    pending.isReturned = true;
    if (thread.exec !== null && call.name === 'brk') {
      if (call.result > 0) thread.exec.effect.firstBrk = call.result;
      this.#closeExec(thread);
    }
    if (!resumed.hasReturned) {
      this.#drop(pending);
      this.#release(thread, pending);
    } else if (call.point === 'return') this.#queue.push(call);
    else if (call.point === 'now') this.#onReturn(thread, call);
    else if (call.result < 0) {
      if (thread.waiting === pending) this.#placeAtEntry(thread);
      this.#release(thread, pending);
    }
  }

  /** clone and execve came back: where perf shows no event of its own, this is what says so. */
  #onReturn(thread: Thread, call: Call): void {
    if (!call.hasReturned) return;
    const isUnwatched = this.unwatched.has(thread.pid);
    if (isClone(call) && call.result > 0 && (!this.hasForkEvents || isUnwatched)) {
      const child = call.result;
      if (this.threads.get(child) === undefined) this.#born(thread, { childTid: child, time: call.time, line: call.line });
    }
    if (isExecve(call) && call.result === 0 && (this.#perf === null || isUnwatched)) this.#beginExec(thread, call.time, { line: call.line, comm: null });
  }

  #onEnded(ended: Ended): void {
    const thread = this.threads.get(ended.tid);
    if (thread === undefined) return;
    if (ended.how === 'superseded') {
      // With perf the COMM exec event came first, and the heir has its leader's number already.
      const heir = this.threads.get(ended.by);
      if (heir === undefined) return;
      this.#settle(thread);
      if (thread.open !== null) this.#drop(thread.open);
      this.threads.succeed(thread.pid, heir);
      return;
    }
    this.#end(thread, ended.time, ended.line);
  }

  /** A thread that no event announced: a child of who is cloning, else a process of its own. */
  #unannounced(call: Call): Thread {
    const parent = this.threads.cloning();
    if (parent === null || (this.hasForkEvents && !this.unwatched.has(parent.pid))) return this.threads.add(call.tid, call.tid);
    return this.#born(parent, { childTid: call.tid, time: call.time, line: call.line });
  }

  #born(parent: Thread, child: { childTid: number; time: number; line: number }): Thread {
    const flags = cloneFlags(parent.clone);
    const isThread = (flags & CLONE_THREAD) !== 0;
    const childPid = isThread ? parent.pid : child.childTid;
    if (this.unwatched.has(parent.pid)) this.unwatched.add(childPid);
    this.#queue.push({
      kind: 'fork', time: child.time, line: child.line, pid: parent.pid, tid: parent.tid, childPid, childTid: child.childTid,
      cloneFlags: flags,
    });
    return this.threads.add(child.childTid, childPid);
  }

  // --- perf ---

  #onEvent(event: PerfEvent): void {
    if (event.kind === 'fork') {
      this.#onFork(event);
      return;
    }
    const isExec = event.kind === 'comm' && event.isExec;
    const thread = this.threads.get(event.tid) ?? (isExec ? this.threads.succeed(event.pid) : undefined);
    if (thread === undefined) {
      if (event.kind === 'lost') this.#onLost(event.line, event.nrLost);
      return;
    }
    switch (event.kind) {
      case 'fault': this.#onFault(thread, event); break;
      case 'lock': this.#onLock(thread, event); break;
      case 'mmap': this.#onMmap(thread, event); break;
      case 'comm': this.#onComm(thread, event); break;
      case 'exit': this.#onExit(thread, event); break;
      case 'lost':
        this.#onLost(event.line, event.nrLost);
        this.#queue.push({ ...event, pid: thread.pid });
        break;
    }
  }

  #onFault(thread: Thread, event: FaultEvent): void {
    if (thread.waiting !== null) this.#placeAtEntry(thread);
    if (thread.mapping !== null) this.#release(thread, thread.mapping);
    if (thread.exec !== null) {
      if (event.errorCode >= 0 && (event.errorCode & PF_USER) !== 0) thread.exec.isRunning = true;
      if (this.#queue.size > MAX_HELD_BACK) this.#closeExec(thread);
    }
    if (this.#queue.size === 0) this.#ready = event;
    else this.#queue.push(event);
  }

  #onLock(thread: Thread, _event: LockEvent): void {
    const pending = thread.waiting;
    if (pending === null) return;
    pending.place = this.#queue.push(pending);
    thread.waiting = null;
  }

  #onMmap(thread: Thread, event: MmapEvent): void {
    this.hasMmapEvents = true;
    if (thread.exec === null && thread.execve !== null && !(thread.execve.result < 0) && !this.hasExecEvents) {
      this.#beginExec(thread, event.time, { line: event.line, comm: null });
    }
    if (thread.exec !== null && !thread.exec.isRunning) {
      const rows = thread.exec.effect.rows;
      const isGrowth = event.name === '[stack]' && rows.some((row) => row.name === '[stack]');
      if (!isGrowth) rows.push(event);
      return;
    }
    const pending = thread.mapping;
    if (pending === null) return;
    if (pending.place === UNDECIDED) {
      pending.place = this.#queue.push(pending);
      thread.waiting = null;
    }
    pending.call.mapped = { device: event.device, inode: event.inode, generation: event.generation, name: event.name, lenBytes: event.lenBytes };
    this.#release(thread, pending);
  }

  #onFork(event: ForkEvent): void {
    this.hasForkEvents = true;
    const parent = this.threads.get(event.parentTid);
    // A stranger's child (strace starting the program) is known from its first call on.
    if (parent === undefined || this.threads.get(event.childTid) !== undefined) return;
    const isThread = event.childPid === event.parentPid;
    this.#queue.push({
      kind: 'fork', time: event.time, line: event.line, pid: parent.pid, tid: parent.tid,
      childPid: event.childPid, childTid: event.childTid,
      cloneFlags: isThread ? CLONE_VM | CLONE_THREAD : cloneFlags(parent.clone),
    });
    this.threads.add(event.childTid, event.childPid);
  }

  #onComm(thread: Thread, event: CommEvent): void {
    if (!event.isExec) return;
    this.hasExecEvents = true;
    this.#beginExec(thread, event.time, { line: event.line, comm: event.comm });
  }

  #onExit(thread: Thread, event: ExitEvent): void {
    // Right after COMM it is perf that goes: begin_new_exec() takes its events off a task that may not be dumped.
    if (thread.exec === null || thread.exec.isRunning || thread.exec.effect.rows.length > 0) {
      this.#end(thread, event.time, event.line);
      return;
    }
    this.unwatched.add(thread.pid);
    this.#sources.skipped.add(this.#sources.perfFile, event.line, `perf leaves process ${thread.pid}, which execs a program with rights of its own: its faults are unknown`);
  }

  #onLost(line: number, nrLost: number): void {
    for (const thread of this.threads.values()) this.#settle(thread);
    this.#sources.skipped.add(this.#sources.perfFile, line, `perf lost ${nrLost} events here: what follows cannot be trusted`);
  }

  // --- both ---

  #beginExec(thread: Thread, time: number, from: { line: number; comm: string | null }): void {
    this.#settle(thread);
    const path = this.threads.execvePath(thread);
    thread.execve = null;
    const effect = { kind: 'exec' as const, time, line: from.line, pid: thread.pid, tid: thread.tid, path, comm: from.comm };
    thread.exec = {
      kind: 'pending-exec', effect: { ...effect, rows: [], firstBrk: null }, isRunning: false, isOpen: true,
    };
    this.#queue.push(thread.exec);
  }

  /** The thread's next call, or its end: nothing more comes for the call before. */
  #settle(thread: Thread): void {
    if (thread.waiting !== null) this.#placeAtEntry(thread);
    if (thread.mapping !== null) this.#release(thread, thread.mapping);
    if (thread.exec !== null) this.#closeExec(thread);
  }

  #placeAtEntry(thread: Thread): void {
    const pending = thread.waiting;
    if (pending === null) return;
    if (pending.place === UNDECIDED) pending.place = pending.entrySeq;
    thread.waiting = null;
  }

  #release(thread: Thread, pending: PendingCall): void {
    pending.isWaitingForMmap = false;
    if (thread.mapping === pending) thread.mapping = null;
  }

  #closeExec(thread: Thread): void {
    if (thread.exec !== null) thread.exec.isOpen = false;
    thread.exec = null;
  }

  #drop(pending: PendingCall): void {
    pending.place = DEAD;
  }

  #end(thread: Thread, time: number, line: number): void {
    this.#settle(thread);
    if (thread.open !== null) this.#drop(thread.open);
    this.#queue.push({ kind: 'exit', time, line, pid: thread.pid, tid: thread.tid });
    this.threads.delete(thread.tid);
  }

  #finish(): void {
    for (const thread of this.threads.values()) {
      this.#settle(thread);
      if (thread.open !== null) this.#drop(thread.open);
    }
    while (this.#nextCompare < this.#compares.length) this.#queue.push(this.#compares[this.#nextCompare++]);
    this.#isAtEnd = true;
  }
}
