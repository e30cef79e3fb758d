/**
 * A secondary MMU as mm sees it, and the kernel as a secondary MMU sees it.
 *
 * A plugin is one plain object that `satisfies SecondaryMmu`. It imports no kernel
 * code: everything it may do is in the KernelServices that it is handed. Its state
 * lies in tables of the machine's buffer, so that a snapshot of the machine holds
 * the plugin too; what it keeps outside (the services, its columns) never changes
 * after attach.
 *
 *   image                      plugin
 *   boot(config, [plugin])     tables(config)     rows that it needs
 *   attachSecondaryMmu(..)     attach(services)   a driver: ops for mm, calls for those who play the device
 */
import type { Mm, MmuNotifier, Mutex, Pfn, Refcount, Rwsem, Spinlock, Vaddr, Where } from './handles.js';
import type { BootedMachine } from './image.js';
import type { MachineConfig } from './machine.js';
import type { Design, DesignOps, NotifierOps, OpName } from './mmu-notifier.js';
import type { PointKind } from './point.js';
import type { Table, TableSpec } from './table.js';
import type { GracePeriod, MaySleep, Sleep, Step, Task, UnderPteLock } from './task.js';

/** A table that a plugin keeps in the machine's buffer. */
export interface SecondaryTable {
  /** Rows, row 0 included; a full table is answered with -ENOMEM, never with a crash. */
  readonly rows: number;
  readonly spec: TableSpec;
}

export interface SecondaryMmu {
  /** `kvm`: lower case, as `--plugin` takes it. */
  readonly name: string;
  /**
   * The designs that it knows, and the ops it brings under each. To be attached to
   * an image of another design is refused, by the compiler where the image is known.
   */
  readonly designs: { readonly [D in keyof DesignOps]?: readonly OpName[] };
  /** Why it does not know a design, in one line that ends the refusal: `its recall sleeps, and v5 calls it under a spinlock`. */
  readonly whyNot?: { readonly [D in Design]?: string };
  /** By name without the plugin's own: table `spte` of `kvm` is `kvm.spte` in the machine. */
  tables(config: MachineConfig): Readonly<Record<string, SecondaryTable>>;
  /** Once per machine, before any process runs. */
  attach(services: KernelServices): SecondaryDriver;
  /** What only its driver can do, for whoever tests it: each is made beside everything else that happens. */
  readonly calls?: readonly OwnCall[];
}

/**
 * Something that a device does by methods that only its driver has: a slot that moves, a segment that is withdrawn. It leaves the
 * instance as usable as it was, so that it can be made again.
 */
export interface OwnCall {
  /** `move-slot`: lower case. */
  readonly name: string;
  /** It takes many steps: a short run makes it alone, and only a long one beside others. */
  readonly isLong?: boolean;
  /**
   * Makes what `run` then works on, where several are to work on one thing at once: each is called with what this returned, and with a
   * turn of its own. Left out: each makes what it needs.
   */
  prepare?(driver: never, instance: number, address: Vaddr, around: Surroundings): Task<MaySleep, number>;
  /**
   * @param address start of a page of the instance's process, mapped or not
   * @returns a sentence where the driver answered what it must not; a number above 0 for what it was given and nobody else may be; else
   *   nothing that counts
   */
  run(driver: never, instance: number, address: Vaddr, around: Surroundings): Task<MaySleep, unknown>;
}

/** What else there is while such a call is made. */
export interface Surroundings {
  /** The address space of another process, which may end at any moment. */
  readonly other: Mm;
  /** Nobody else is at work, and nothing fails that need not: what the driver must answer is certain. */
  readonly isAlone: boolean;
  /** What `prepare` returned. */
  readonly prepared?: number;
  /** Of those who work on it: 0 and 1, at once or one after the other. */
  readonly turn?: number;
}

/** A plugin that knows design `D`. */
export type SecondaryMmuFor<D extends string> = SecondaryMmu & { readonly designs: { readonly [Key in D]: readonly OpName[] } };

/** Calls by kind since attach. */
export interface SecondaryCounters {
  /** Misses that asked mm for a page. */
  readonly faults: number;
  /** Accesses by the device, hits and misses. */
  readonly accesses: number;
  /** Accesses that found an entry which allowed them. */
  readonly hits: number;
  /** Entries dropped because mm said so. */
  readonly invalidations: number;
  /** References to pages that it took for entries, which keep the page from being reclaimed while the entry lives; 0 where it needs none. */
  readonly pins: number;
}

/** One live translation of a plugin. */
export type TranslationVisitor = (instance: number, mm: Mm, address: Vaddr, pfn: Pfn, isWritable: boolean) => void;

/**
 * An attached plugin. `instance` is a row of its own tables: one address space as
 * its device sees it (a virtual machine, a device context). Addresses are those of
 * the process; the plugin knows under which name its device reaches them.
 */
export interface SecondaryDriver {
  /** Those of `services.design`. */
  readonly ops: NotifierOps;
  /**
   * What the driver hands to its own functions: tables, services, what else it made at attach and never changes. An
   * explorer then takes it for a part of the machine. Left out, it is compared and copied with every thread that is in the driver.
   */
  readonly own?: object;

  /**
   * The device starts to follow an address space.
   * @returns an instance above 0; -ENOMEM where a table is full, -ESRCH where the address space is gone
   */
  create(mm: Mm): Task<MaySleep, number>;
  /** The device lets go of it, once per instance. No atomic op is running for it, nor will be, when this returns. */
  destroy(instance: number): Task<MaySleep>;
  /**
   * The device missed: make an entry for `address`.
   * @returns 0 where the access can be repeated (and may miss again); -EFAULT where the process has no such
   *   access either; -ENOMEM where there is no room for an entry; -ESRCH after the address space ended
   */
  fault(instance: number, address: Vaddr, isWrite: boolean): Task<MaySleep, number>;
  /**
   * The device reads or adds one to the word at `address`, through entries of its own: never through the primary
   * page table. Finding the entry and reaching the frame are one step where the hardware makes them one.
   * @returns the frame it reached; 0 where it has no entry or the entry does not allow a write
   */
  access(instance: number, address: Vaddr, isWrite: boolean): Task<Step, Pfn>;

  /** Shows every live translation. Changes nothing; for oracles, at any point. */
  audit(visit: TranslationVisitor): void;
  counters(): SecondaryCounters;
}

/**
 * Makes an entry while the pte that it is made from cannot change.
 *
 * The PT lock of the address is held from the lookup until this returns, so a later change of the pte finds the entry
 * and takes it away again. `cookie` is what the caller of withPte passed, often an instance; `isWritable` is what the pte
 * allows, which may be more than the access needs.
 */
export type InstallEntry = (cookie: number, address: Vaddr, pfn: Pfn, isWritable: boolean) => Task<UnderPteLock, number>;

/**
 * What the kernel does for a plugin. Each task names its context in its type: what may sleep does not compile in an op
 * under the PT lock. Lock order, outermost first: a plugin's mutexes and rwsems, mmap_sem, the file's and anon_vma's
 * locks, the PT lock, a plugin's spinlocks.
 */
export interface KernelServices {
  /** What the image is linked with. */
  readonly design: keyof DesignOps;
  readonly config: MachineConfig;

  /** The plugin's table `name` with its memory. @param spec the object that `tables` gave under this name */
  table<const S extends TableSpec>(name: string, spec: S): Table<S>;

  // ── the notifier ──────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * A notifier with this plugin's ops that belongs to `instance`; in C it would be a field of it. Instances of one address space
   * that share a notifier give it a number that no instance has. @returns 0 where full
   */
  mmuNotifierAlloc(instance: number): MmuNotifier;
  /** Only when no walker can still see it: never registered, or unregistered and a grace period ago, or in release. */
  mmuNotifierFree(mn: MmuNotifier): void;
  /** container_of(): the instance that a notifier belongs to. */
  notifierInstance(mn: MmuNotifier): number;
  /**
   * From now on every change of a pte of `mm` is reported, and under `range` every start has its end. No grace period is
   * needed before ptes are read, as long as they are read under their PT lock.
   * @context process; the caller sees to it that the address space does not end meanwhile (mmgetNotZero). Under `range` it
   *   takes mmap_sem and every rmap lock of the mm, and pins the struct
   * @returns 0, or -EINTR where a signal came while locks were taken
   */
  mmuNotifierRegister(mn: MmuNotifier, mm: Mm): Task<MaySleep, number>;
  /**
   * Ends that. v5: ops may still be running on other CPUs, so wait for a grace period before `mn` or what its ops use is
   * freed; never during or after release, which took `mn` off the list without a lock. `range`: calls release unless the
   * mm's end did, and when this returns no op is running; at any time, once.
   * @context process, no lock held
   */
  mmuNotifierUnregister(mn: MmuNotifier, mm: Mm): Task<MaySleep>;
  /**
   * The one notifier of this plugin for `mm`, made by allocNotifier and registered where there is none yet; one user more.
   * Under `range`; not beside mmuNotifierRegister for the same mm.
   * @context process; takes mmap_sem and every rmap lock of the mm. The caller sees to it that the address space does not end meanwhile
   * @returns the notifier, or a negative errno: -ENOMEM, -EINTR; -EOPNOTSUPP under v5
   */
  mmuNotifierGet(mm: Mm): Task<MaySleep, number>;
  /**
   * One user less. After the last one its ops may still run until freeNotifier is called, a grace period later; release is
   * not called, unless the address space had ended before.
   * @context any
   */
  mmuNotifierPut(mn: MmuNotifier): Task<Step>;
  /** Every freeNotifier that a put owes has been called: a driver's last act. @context process, outside of every read section */
  mmuNotifierSynchronize(): Task<MaySleep>;

  // ── life of an address space ──────────────────────────────────────────────────────────────────────────────────────

  /** Pins the struct, not the address space (mm_count): its end is not held up, and release is called at it. */
  mmgrab(mm: Mm): Task<Step>;
  mmdrop(mm: Mm): Task<MaySleep>;
  /** Pins the address space itself (mm_users), for a short time. @returns false where it has ended */
  mmgetNotZero(mm: Mm): Task<Step, boolean>;
  /** The last one ends the address space: every release runs inside this call. */
  mmput(mm: Mm): Task<MaySleep>;

  /** mmap_sem, for reading. Needs the address space held (mmgetNotZero). */
  mmapReadLock(mm: Mm): Task<Sleep<'down_read'>>;
  /** @returns false where a writer holds it or waits for it */
  mmapReadTrylock(mm: Mm): Task<Step, boolean>;
  mmapReadUnlock(mm: Mm): Task<Step>;
  /** VM_ bits of the VMA that covers `address`; -1 where none does. find_vma() @context mmap_sem held */
  vmaFlagsAt(mm: Mm, address: Vaddr): number;

  // ── pages ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Looks the pte up and has `install` make an entry from it, all under the PT lock. Where the pte is missing or does
   * not allow a write that is wanted, the page is faulted in first, as an access of the process would, and the lookup
   * repeated. Right under every design whose ops run inside the PT lock.
   * @context process; takes mmap_sem and the PT lock
   * @returns what install returned; -EFAULT without access, -ENOMEM without memory, -ESRCH where the address space
   *   ended, -EAGAIN where others took the page away again each time
   */
  withPte(mm: Mm, address: Vaddr, isWrite: boolean, install: InstallEntry, cookie: number): Task<MaySleep, number>;
  /**
   * Faults the page in as an access of the process would and takes a reference. When this returns the pte may have
   * changed already: an entry made from the result alone is the race that the authors of v5 overlooked.
   * @context process; takes mmap_sem
   * @returns a frame, or a negative errno
   */
  getUserPages(mm: Mm, address: Vaddr, isWrite: boolean): Task<MaySleep, number>;
  /**
   * As getUserPages of the current process, and where the page is there already, without a lock.
   * @context process, no lock held
   * @returns a frame, or a negative errno: -EFAULT for a thread without an address space
   */
  getUserPagesFast(address: Vaddr, isWrite: boolean): Task<MaySleep, number>;
  /** The frame that a present pte maps (for a write: that it lets write), with a reference. @returns 0 without one */
  followPage(mm: Mm, address: Vaddr, isWrite: boolean): Task<MaySleep, Pfn>;
  /** As getUserPages. @context process, mmap_sem of `mm` held for reading */
  getUserPagesLocked(mm: Mm, address: Vaddr, isWrite: boolean): Task<MaySleep, number>;
  /**
   * What the pte says, found without any lock: what an interrupt handler can know. Stale as soon as it is returned, so it is
   * right only for a driver whose hardware drops an entry that an invalidate came before. atomic_pte_lookup()
   * @context any
   * @returns 4 * pfn, plus PTE_LOOKUP_WRITE where it lets write, plus PTE_LOOKUP_DIRTY where it is dirty; 0 where no pte is present
   */
  atomicPteLookup(mm: Mm, address: Vaddr): Task<Step, number>;
  /** One more reference. @context someone holds one, or the PT lock of a pte that maps the page */
  getPage(pfn: Pfn): Task<Step>;
  /** Gives a reference back; the last one frees the page. */
  putPage(pfn: Pfn): Task<Step>;
  /**
   * A page of the driver's own, zeroed, with one reference. Where memory is short this reclaims, so notifiers may be called
   * from inside it: no lock that an op takes may be held. alloc_page(GFP_KERNEL)
   * @context process @returns 0 without memory
   */
  allocPage(): Task<MaySleep, Pfn>;
  /** PG_locked. @context process; above the file's and anon_vma's locks: reclaim holds it when it calls invalidatePage */
  lockPage(pfn: Pfn): Task<Sleep<'lock_page'>>;
  /** @context any @returns false where someone holds it */
  trylockPage(pfn: Pfn): Task<Step, boolean>;
  unlockPage(pfn: Pfn): Task<Step>;
  /** The device wrote to the page. Only a flag: takes no lock, so it may be called under any. SetPageDirty() */
  setPageDirty(pfn: Pfn): Task<Step>;

  /**
   * As getUserPages, for a reference that is kept for long. Reclaim does not unmap the page while it is, so that no
   * invalidatePage comes for it: a driver that can do nothing under the PT lock pins. pin_user_pages(FOLL_LONGTERM)
   * Deviation: pages of files too, which Linux unmaps, to no avail.
   * @returns a frame, or a negative errno; -EFAULT also for a write to a shared mapping of a file that is written back
   */
  pinUserPages(mm: Mm, address: Vaddr, isWrite: boolean): Task<MaySleep, number>;
  /** Gives it back, with its reference. @context any */
  unpinUserPage(pfn: Pfn): Task<Step>;

  // ── an area of a process that a driver maps pages in ──────────────────────────────────────────────────────────────

  /** mm of the thread that calls: 0 for a kernel thread. current->mm @context any */
  currentMm(): Mm;
  /**
   * An area of `mm` with nothing in it yet: shared, VM_PFNMAP | VM_IO | VM_DONTEXPAND | VM_DONTCOPY. A CPU that touches it before
   * remapPfn has mapped a page gets SIGBUS. Its process may unmap it, or parts of it, at any time. vm_mmap() of the driver's file
   * @param owner what tells the driver's area from others that come to lie there later; above 0, unique in the machine, as a notifier is
   * @context process, no lock held; takes mmap_sem. The caller holds the address space (mmgetNotZero)
   * @returns its address, or a negative errno
   */
  vmMmapPfn(mm: Mm, sizeBytes: number, isWritable: boolean, owner: number): Task<MaySleep, number>;
  /**
   * Maps one frame at one page of the area, in place of what the driver had there. mm takes no reference: the driver keeps one
   * until it has called zapVmaPtes. remap_pfn_range() of one page
   * @context process; takes the PT lock @locks mmap_sem of `mm` @returns 0, -EFAULT where the page is not the owner's any more, -ENOMEM
   */
  remapPfn(mm: Mm, address: Vaddr, pfn: Pfn, isWritable: boolean, owner: number): Task<MaySleep, number>;
  /**
   * Takes away what of `[address, address + sizeBytes)` is still the owner's. No CPU translates by it on return. The notifiers of
   * `mm` are called for it. zap_vma_ptes()
   * @context may sleep where notifiers do; in an op too @locks mmap_sem of `mm`, so that its page tables stay
   */
  zapVmaPtes(mm: Mm, address: Vaddr, sizeBytes: number, owner: number): Task<Step | Sleep>;
  /** Unmaps what of it is still the owner's. vm_munmap() @context process, no lock held; takes mmap_sem. The caller holds the address space */
  vmMunmapPfn(mm: Mm, address: Vaddr, sizeBytes: number, owner: number): Task<MaySleep>;

  // ── what the device does ──────────────────────────────────────────────────────────────────────────────────────────

  /** A scheduling point for what the device's hardware reads or writes without a lock. Stands before the operation. */
  step(kind: PointKind, where: Where): Task<Step>;
  /**
   * The device loads the word at `address` from a frame, in the same instant as the step under way: a device that has
   * translated through an entry reaches memory before any flush of that entry ends, so the two are one.
   */
  deviceRead(pfn: Pfn, address: Vaddr): number;
  /** The device stores it, likewise. */
  deviceWrite(pfn: Pfn, address: Vaddr, value: number): void;

  // ── locks: words of the plugin's own columns ──────────────────────────────────────────────────────────────────────

  spinlockAt(column: Int32Array, row: number): Spinlock;
  spinLock(lock: Spinlock): Task<Step>;
  /** @returns false where someone holds it */
  spinTrylock(lock: Spinlock): Task<Step, boolean>;
  spinUnlock(lock: Spinlock): Task<Step>;
  /** Stops the machine unless the current thread holds `lock`; nothing in the fast build. */
  lockdepAssertHeld(lock: Where): void;
  mutexAt(column: Int32Array, row: number): Mutex;
  mutexLock(lock: Mutex): Task<Sleep<'mutex_lock'>>;
  /** For process context all the same. @returns false where someone holds it */
  mutexTrylock(lock: Mutex): Task<Step, boolean>;
  mutexUnlock(lock: Mutex): Task<Step>;
  rwsemAt(column: Int32Array, row: number): Rwsem;
  downRead(lock: Rwsem): Task<Sleep<'down_read'>>;
  downReadTrylock(lock: Rwsem): Task<Step, boolean>;
  upRead(lock: Rwsem): Task<Step>;
  downWrite(lock: Rwsem): Task<Sleep<'down_write'>>;
  upWrite(lock: Rwsem): Task<Step>;

  /** References to the driver's own objects: a word, 0 when the object is dead. */
  refcountAt(column: Int32Array, row: number): Refcount;
  /** Only while nobody else sees the object. */
  refcountSet(ref: Refcount, count: number): void;
  refcountInc(ref: Refcount): Task<Step>;
  /** @returns false where it is dead already */
  refcountIncNotZero(ref: Refcount): Task<Step, boolean>;
  /** @returns true for the last one, who frees */
  refcountDecAndTest(ref: Refcount): Task<Step, boolean>;

  /**
   * Sleeps until `(column[row] & mask) === value`; whoever stores it wakes. The store needs a step() before it that
   * names the word, under a lock too: the one who waits takes none.
   * wait_event()
   */
  waitEvent(column: Int32Array | Uint32Array, row: number, mask: number, value: number): Task<Sleep<'wait_event'>>;

  // ── work: an ordered queue, run by a thread that may sleep ────────────────────────────────────────────────────────

  /** Names a function for queueWork; only during attach. */
  workFunction(func: (arg: number) => Task<MaySleep>): number;
  /** Has the function called with `arg`, once however often it is queued before it runs. @returns 1; 0 where it is queued already; -ENOMEM where the queue is full */
  queueWork(func: number, arg: number): Task<Step, number>;
  /** Until nothing is queued and nothing runs. @context process, holding nothing that an item takes */
  flushWorkqueue(): Task<Sleep<'flush_workqueue'>>;
  /** The item is neither queued nor running when this returns. @context as flushWorkqueue @returns true: it was queued */
  cancelWorkSync(func: number, arg: number): Task<Sleep<'cancel_work_sync'>, boolean>;

  // ── what can go wrong ─────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * Asks whether an allocation, a lock that may be interrupted, or anything else that can fail, fails here. Both answers are
   * explored where the machine was booted with `faultInjection`; else it never does. @param what as `kmalloc of the entry`
   */
  shouldFail(what: string): boolean;

  // ── RCU ───────────────────────────────────────────────────────────────────────────────────────────────────────────

  rcuReadLock(): Task<Step>;
  rcuReadUnlock(): Task<Step>;
  synchronizeRcu(): Task<GracePeriod<'synchronize_rcu'>>;
  /** Names a function for callRcu; only during attach. */
  rcuCallback(callback: (arg: number) => Task<Step>): number;
  /** Has the named function called with `arg` after a grace period. @returns false where the queue is full */
  callRcu(callback: number, arg: number): Task<Step, boolean>;

  /** A read section in which one may sleep; in an image of design `range`. @returns what srcuReadUnlock takes */
  srcuReadLock(): Task<Step, number>;
  srcuReadUnlock(index: number): Task<Step>;
  synchronizeSrcu(): Task<GracePeriod<'synchronize_srcu'>>;
}

/** Bits of what atomicPteLookup returns. */
export const PTE_LOOKUP_WRITE = 1;
export const PTE_LOOKUP_DIRTY = 2;

/** A plugin that is attached to a machine. */
export interface AttachedSecondary {
  readonly name: string;
  readonly driver: SecondaryDriver;
}

/** What plugins add to a machine. */
export interface SecondaryMachine {
  /** The plugins' tables, by `plugin.table`. */
  readonly secondaryTables: Readonly<Record<string, Table<TableSpec>>>;
  /** In the order of attaching; grows at attach only. */
  readonly secondaries: AttachedSecondary[];
}

/** A VMA as those outside of mm need to know it. */
export interface MappedArea {
  readonly start: Vaddr;
  readonly end: Vaddr;
  /** VM_ bits. */
  readonly vmFlags: number;
}

/** The part of an image that those who play devices and those who judge them need. */
export interface SecondaryImage<M extends BootedMachine = BootedMachine> {
  /** Attaches a plugin whose tables `boot` was told of. Throws where `secondaryMmuRefusal` has something to say. */
  attachSecondaryMmu(m: M, plugin: SecondaryMmu): SecondaryDriver;
  /** Why this image does not take the plugin, in one line; empty where it does. */
  secondaryMmuRefusal(plugin: SecondaryMmu): string;
  attachedSecondaries(m: M): readonly AttachedSecondary[];
  /**
   * What the primary page table says now, read without a lock; only for a machine at rest.
   * @returns 2 * pfn, plus 1 where the pte allows writes; 0 without a present pte
   */
  primaryTranslation(m: M, mm: Mm, address: Vaddr): number;
  /** The frame is in use. */
  isFrameLive(m: M, pfn: Pfn): boolean;
  /** The address space has users: it has not ended. */
  isMmAlive(m: M, mm: Mm): boolean;
  /** The first VMA that ends behind `address`; null where none does. */
  vmaAfter(m: M, mm: Mm, address: Vaddr): MappedArea | null;
}

