import type { Call } from './call.js';
import type { PendingCall, PendingExec } from './effect-queue.js';

/** What the order knows of a thread. */
export interface Thread {
  readonly tid: number;
  readonly pid: number;
  /** The call that was entered last and has not returned. */
  open: PendingCall | null;
  /** The call whose mmap lock has not been seen. */
  waiting: PendingCall | null;
  /** The mmap whose MMAP2 has not been seen. */
  mapping: PendingCall | null;
  /** The last call, if it was a clone, fork or vfork: its flags decide about a FORK event. */
  clone: Call | null;
  /** The last execve, for the path of a COMM exec event. */
  execve: Call | null;
  exec: PendingExec | null;
}

/** Threads that live, by tid. Those of strangers (perf's own, strace's own) are never in it. */
export class ThreadTable {
  readonly #threads: Map<number, Thread> = new Map();
  readonly #gone: Set<number> = new Set();
  /** Every process that was ever seen. */
  readonly pids: Set<number> = new Set();

  get(tid: number): Thread | undefined {
    return this.#threads.get(tid);
  }

  /** Ended, and not born again. */
  isGone(tid: number): boolean {
    return this.#gone.has(tid);
  }

  add(tid: number, pid: number): Thread {
    const thread: Thread = {
      tid, pid, open: null, waiting: null, mapping: null, clone: null, execve: null, exec: null,
    };
    this.#threads.set(tid, thread);
    this.#gone.delete(tid);
    this.pids.add(pid);
    return thread;
  }

  delete(tid: number): void {
    this.#threads.delete(tid);
    this.#gone.add(tid);
  }

  /**
   * The thread that called execve lives on under its leader's number, with its call
   * under way; the leader itself is gone.
   * @param heir undefined: whichever thread of the process is inside execve, else any
   */
  succeed(pid: number, heir?: Thread): Thread | undefined {
    let from = heir;
    for (const thread of this.#threads.values()) {
      if (heir === undefined && thread.pid === pid && (from === undefined || thread.execve !== null)) from = thread;
    }
    if (from === undefined || from.tid === pid) return from;
    this.delete(from.tid);
    const leader = this.add(pid, pid);
    leader.open = from.open;
    leader.execve = from.execve;
    return leader;
  }

  values(): IterableIterator<Thread> {
    return this.#threads.values();
  }

  get size(): number {
    return this.#threads.size;
  }

  /** The path that a thread of `pid` gave to execve: the thread's own, else one that became the leader by it. */
  execvePath(thread: Thread): string | null {
    if (thread.execve !== null) return thread.execve.text;
    for (const other of this.#threads.values()) {
      if (other.pid === thread.pid && other.execve !== null) return other.execve.text;
    }
    return null;
  }

  /** The thread that is inside a clone, fork or vfork: parent of a child that appears unannounced. */
  cloning(): Thread | null {
    let parent: Thread | null = null;
    for (const thread of this.#threads.values()) {
      if (thread.clone !== null && thread.open?.call === thread.clone) parent = thread;
    }
    return parent;
  }
}
