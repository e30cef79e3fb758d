/** All oracles over one image: made once for a program, asked in every execution of it. */
import { ACQUIRE, ACQUIRE_SHARED } from '@mmun/include';
import type { Finding, MachineConfig, Mm, PointKind, SecondaryDriver, SecondaryMmu, TaskStruct, Vaddr, Where } from '@mmun/include';
import type { Report } from '@mmun/explorer';
import { codeOf } from './codes.js';
import { auditContents, judgeRead, noteWrite } from './contents.js';
import { DataRaces } from './data-race.js';
import { auditFiles, noteFrameWrite } from './files.js';
import { ghostOf, ghostTables } from './ghost.js';
import { LockGraph } from './lock-graph.js';
import type { OrderSeen } from './lock-graph.js';
import { fromOutside, watchObjects } from './objects.js';
import type { WatchedObjects } from './objects.js';
import { auditRanges } from './ranges.js';
import { lockCircle, spaceLeaked } from './reports.js';
import { tapScheduler } from './tap.js';
import { auditEntries, judgeAccess } from './translations.js';
import { auditInstances, watchPlugin } from './watch-plugin.js';
import type { WatchedImage, WatchedMachine } from './watched.js';

export interface Booted<M> {
  readonly m: M;
  readonly drivers: readonly SecondaryDriver[];
}

export class Oracle<M extends WatchedMachine> {
  readonly image: WatchedImage<M>;
  readonly locks: LockGraph;
  private names: (where: Where) => string = String;

  constructor(image: WatchedImage<M>) {
    this.image = image;
    this.locks = new LockGraph((where) => this.names(where));
  }

  /**
   * A machine that is watched from its first step on, with the plugins attached.
   * @param fields columns whose plain uses must be ordered, as `page.flags`; see data-race.ts for what that asks of a search
   * @param objects tables of plugins whose rows must not be used once they were freed
   */
  boot(config: MachineConfig, plugins: readonly SecondaryMmu[], fields: readonly string[] = [], objects: WatchedObjects = {}): Booted<M> {
    const { image } = this;
    const watched = plugins.map((plugin, i) => watchPlugin(image, plugin, i, () => m));
    const m = image.boot(config, [...watched, ghostTables]);
    this.names = (where): string => image.nameOfWhere(m, where);
    const races = fields.length === 0 ? null : new DataRaces(m, ghostOf(m).thread.begun);
    races?.watch(fields);
    watchObjects(m, objects);
    tapScheduler(m, {
      announced: (kind, where, isWait) => {
        if (kind === ACQUIRE || (isWait && kind === ACQUIRE_SHARED)) this.waits(m, where);
        races?.announced(kind, where);
      },
      touched: (kind: PointKind, where: Where) => { races?.touched(kind, where); },
    });
    return { m, drivers: watched.map((plugin) => image.attachSecondaryMmu(m, plugin)) };
  }

  /** The current thread has read `value` at `address`, on its CPU; in the step of the access. */
  cpuRead(m: M, mm: Mm, address: Vaddr, value: number, own: number): void {
    judgeAccess(this.image, m, this.cpuReach(m, mm, address, false), own);
    judgeRead(m, this.cpuName(m), mm, address, value >>> 0);
  }

  /** It has written. */
  cpuWrote(m: M, mm: Mm, address: Vaddr, value: number, own: number): void {
    const reach = this.cpuReach(m, mm, address, true);
    judgeAccess(this.image, m, reach, own);
    noteWrite(m, mm, address, value >>> 0);
    noteFrameWrite(this.image, m, reach.pfn);
  }

  /** Everything that can be said of a machine at rest. */
  atEnd(m: M, report: (found: Report) => void): void {
    fromOutside(m, () => { this.judgeAtRest(m, report); });
  }

  /** What `look` reads of a machine is nobody's use of it. */
  fromOutside(m: M, look: () => void): void {
    fromOutside(m, look);
  }

  private judgeAtRest(m: M, report: (found: Report) => void): void {
    auditEntries(this.image, m, report);
    auditContents(this.image, m, report);
    auditFiles(this.image, m, report);
    auditInstances(this.image, m, report);
    auditRanges(m, report);
    this.auditSpaces(m, report);
    for (const { code, message } of this.image.checkMachine(m)) report({ code: codeOf(code), message });
  }

  /** In which order locks were taken, over all executions: `standing` says what follows. */
  orders(): readonly OrderSeen[] {
    return this.locks.orders;
  }

  /** An address space that no thread is in any more has users that nobody can be. */
  private auditSpaces(m: M, report: (found: Report) => void): void {
    const { nrMms, nrTasks } = m.bootConfig;
    const used = new Set<number>();
    for (let task = 1; task <= nrTasks; task++) used.add(this.image.mmOf(m, task as TaskStruct));
    for (let mm = 1; mm <= nrMms; mm++) if (this.image.isMmAlive(m, mm as Mm) && !used.has(mm)) report(spaceLeaked(mm as Mm, 1));
  }

  private waits(m: M, where: Where): void {
    const task = m.cpu.current[0] as TaskStruct;
    if (m.thread.nrHeld[task] === 0) return;
    const held = this.image.heldLocks(m, task);
    this.locks.waits(where, held, held.filter((lock) => (m.words[lock] & WRITER_INSIDE) !== 0), () => `thread ${task}`);
  }

  private cpuName(m: M): string {
    return `cpu ${this.image.taskCpu(m, m.cpu.current[0] as TaskStruct)}`;
  }

  private cpuReach(m: M, mm: Mm, address: Vaddr, isWrite: boolean): Parameters<typeof judgeAccess>[2] {
    const cpu = this.image.taskCpu(m, m.cpu.current[0] as TaskStruct);
    const found = m.bootConfig.tlbEntries === 0 ? this.image.primaryTranslation(m, mm, address) : this.image.tlbTranslation(m, cpu, mm, address);
    return { who: `cpu ${cpu}`, mm, address, pfn: Math.floor(found / 2) as never, isWrite };
  }
}

/**
 * What all executions together have shown; no single schedule is needed to believe it.
 * @param orders of one search, or of several, one after the other: together they may show what none does
 */
export function standing(orders: readonly OrderSeen[]): Finding[] {
  const locks = new LockGraph(String);
  for (const order of orders) locks.see(order);
  return [...locks.circles.values()].map((circle) => {
    const { code, message } = lockCircle([...circle.map(({ held }) => held), circle[0]?.held ?? '']);
    return { code, message, replay: '', steps: circle.map(stepOfOrder) };
  });
}

function stepOfOrder({ thread, held, taken }: OrderSeen): Finding['steps'][number] {
  return { actor: thread, text: `waits for ${taken} while it holds ${held}` };
}

/** As locking's rwsem.ts has it: held for writing, which mmap_sem is where two PT locks are taken in whatever order. */
const WRITER_INSIDE = 0x10000;
