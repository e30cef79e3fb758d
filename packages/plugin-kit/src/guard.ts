/**
 * A plugin as it is, with everything that passes between it and the kernel looked at: a task that nobody ran, a result that is
 * none, a lock that is kept, an error in its own code. What is found is thrown in the thread that did it, and names the line.
 *
 *   kernel, devices  ──calls──>  guard  ──calls──>  driver
 *   services         <──calls──  guard  <──calls──  driver
 *
 * What it remembers of a call lies in the call's own frame, so a search that runs threads anew begins with nothing.
 */
import { READ, WRITE } from '@mmun/include';
import type { KernelServices, MachineConfig, Mm, MmuNotifier, NotifierOps, PointKind, Scheduler, SecondaryDriver, SecondaryMmu, Table, TableSpec, Task, Where } from '@mmun/include';
import { POOL_HEAD_SPEC, whereOf } from '@mmun/lib';
import { Violation } from '@mmun/oracle';
import { failed, isFailing, isTry } from './failures.js';
import type { Failures } from './failures.js';
import { MANY_INSTANCES, OPEN, OPEN_SPEC, inSrcu } from './guarded-driver.js';
import type { GuardedDriver } from './guarded-driver.js';
import { placeIn, withPlace } from './place.js';

/** What every broken rule of the interface itself is reported as. */
const CODE = 'bad-plugin';

export interface GuardOptions {
  /** Keeps a stack of everything that could turn out to be forgotten. It takes most of the time, so searches do without and ask again. */
  readonly isLocating?: boolean;
  /**
   * Every use of the driver's own columns counts as part of the step that it is in, announced or not. A search that leaves out
   * orderings of independent steps would otherwise not see what a driver does outside of its lock.
   */
  readonly announces?: Announcer;
  /** One thread only, on one machine: what lasts longer than a call can be remembered beside it. */
  readonly isSequential?: boolean;
  /** One of the services that can fail does. */
  readonly failures?: Failures;
  /** Whatever may only be tried is in somebody else's hands, always. */
  readonly isRefusing?: boolean;
  /** What the driver is told of the machine, so that its tables are small and fill up. */
  readonly lessRoom?: Partial<MachineConfig>;
}

/** Brings the watches of a plugin together with the machine that they are on, which is known only after attach. */
export class Announcer {
  private readonly waiting: ((m: Announced) => void)[] = [];

  /** The plugin has been attached to a machine that is being booted. */
  attached(tell: (m: Announced) => void): void {
    this.waiting.push(tell);
  }

  /** This is the one. */
  booted(m: Announced): void {
    for (const tell of this.waiting.splice(0)) tell(m);
  }
}

/** The part of a machine that is told. */
interface Announced {
  readonly sched: Pick<Scheduler, 'touch'>;
  /** Its pages and tables are there. */
  readonly isAlive: (mm: Mm) => boolean;
}

/** A call into the driver that is under way. */
interface Call {
  readonly name: string;
  /** What the device reached in it, last. */
  reached: number;
  hasWritten: boolean;
  /** Tasks that services made in it and nobody has run. */
  readonly made: Map<object, Made>;
  readonly held: Held[];
}

interface Made {
  readonly name: string;
  readonly error: Error | null;
}

interface Held {
  readonly what: string;
  readonly lock: unknown;
  readonly error: Error | null;
}

/** What a service takes, and what gives it back. */
const TAKES: Readonly<Record<string, string>> = {
  spinLock: 'spinlock', mutexLock: 'mutex', downRead: 'rwsem', downWrite: 'rwsem', mmapReadLock: 'mmap_sem', rcuReadLock: 'rcu', srcuReadLock: 'srcu', lockPage: 'page lock',
};
const TRIES: Readonly<Record<string, string>> = { spinTrylock: 'spinlock', mutexTrylock: 'mutex', downReadTrylock: 'rwsem', mmapReadTrylock: 'mmap_sem', trylockPage: 'page lock' };
const GIVES: Readonly<Record<string, string>> = {
  spinUnlock: 'spinlock', mutexUnlock: 'mutex', upRead: 'rwsem', upWrite: 'rwsem', mmapReadUnlock: 'mmap_sem', rcuReadUnlock: 'rcu', srcuReadUnlock: 'srcu', unlockPage: 'page lock',
};
/** After these the driver has nothing that would keep others out. */
const LEAVES: ReadonlySet<string> = new Set(['spinUnlock', 'mutexUnlock', 'upRead', 'upWrite']);
/** Services of which the driver must hold mmap_sem itself, of the address space that they are handed first. */
const UNDER_MMAP_SEM: ReadonlySet<string> = new Set(['vmaFlagsAt', 'getUserPagesLocked', 'remapPfn', 'zapVmaPtes']);
/** A word that nobody uses: a point there stands for no operation. */
const NOWHERE = 0 as Where;
/** Services that are handed a function of the driver's, and what its calls are named. */
const LATER: Readonly<Record<string, string>> = { workFunction: 'work function', rcuCallback: 'rcu callback' };
const READABLE: Readonly<Record<string, string>> = { rcu: 'rcu_read_lock', srcu: 'srcu_read_lock' };

/** The same plugin to kernel and devices. @throws Violation where it is no plugin at all */
export function guardPlugin(plugin: SecondaryMmu, options: GuardOptions = {}): SecondaryMmu {
  const { lessRoom, failures } = options;
  return {
    ...plugin,
    tables: (config) => ({ ...checkTables(plugin.name, called(`tables`, () => plugin.tables({ ...config, ...lessRoom }))), [OPEN]: { rows: MANY_INSTANCES, spec: OPEN_SPEC } }),
    attach: (services) => {
      failures?.begin();
      const watch = new Watch(services, options);
      const driver = called('attach', () => plugin.attach(watch.services));
      checkDriver(plugin.name, driver);
      return watch.driver(driver);
    },
  };
}

/** Follows one plugin on one machine. */
class Watch {
  readonly services: KernelServices;
  private readonly nrFrames: number;
  /** The call whose code is running; null between them. Set before each step and put back after it. */
  private call: Call | null = null;
  /** By notifier, where its registration was asked for; only where one thread runs. */
  private readonly registered: Map<MmuNotifier, string> = new Map();
  private readonly options: GuardOptions;
  private readonly step: KernelServices['step'];
  private readonly srcu: Pick<KernelServices, 'srcuReadLock' | 'srcuReadUnlock'>;
  private m: Announced | null = null;
  private readonly isOpen: Uint32Array;
  /** By notifier: its address space has ended, and the driver has answered to that. */
  private readonly isEnded: Uint32Array;
  /** Heads of pools among the driver's tables: their column `used`, and what it was at attach. */
  private readonly pools: { readonly name: string; readonly used: Column; atAttach: number }[] = [];
  /** Uses of columns and services since a step began. */
  private uses = 0;

  constructor(services: KernelServices, options: GuardOptions) {
    this.nrFrames = services.config.nrFrames;
    this.options = options;
    this.step = services.step.bind(services);
    this.srcu = services;
    const kept = services.table(OPEN, OPEN_SPEC);
    this.isOpen = kept.isOpen;
    this.isEnded = kept.isEnded;
    const wrapped = Object.entries(services).map(([name, service]): [string, unknown] =>
      [name, typeof service === 'function' ? (...args: unknown[]): unknown => this.serve(name, service as Service, args) : service]);
    const config = { ...services.config, ...options.lessRoom };
    this.services = { ...(Object.fromEntries(wrapped) as unknown as KernelServices), config };
    options.announces?.attached((m) => { this.m = m; });
  }

  driver(driver: SecondaryDriver): GuardedDriver {
    for (const pool of this.pools) pool.atAttach = pool.used[0] as number;
    const bound = <K extends 'create' | 'destroy' | 'fault' | 'access'>(name: K): SecondaryDriver[K] => {
      const method = driver[name].bind(driver) as Service;
      return ((...args: unknown[]) => this.run(name, args, () => method(...args))) as unknown as SecondaryDriver[K];
    };
    const ops = Object.entries(driver.ops).filter(([, op]) => op !== undefined).map(([name, op]): [string, unknown] =>
      [name, (...args: unknown[]): unknown => this.run(name, args, () => (op as Service).apply(driver.ops, args))]);
    return {
      ...driver, ...this.own(driver), ops: Object.fromEntries(ops) as NotifierOps,
      create: bound('create'), destroy: bound('destroy'), fault: bound('fault'), access: bound('access'),
      audit: (visit) => {
        called('audit', () => {
          driver.audit((instance, mm, address, pfn, isWritable) => {
            if (!isHandle(pfn, this.nrFrames)) throw broken(`\`audit\` shows frame ${show(pfn)}: frames are 1 up to ${this.nrFrames}`);
            if (!isCount(instance) || !isCount(mm) || !isCount(address)) throw broken(`\`audit\` shows instance ${show(instance)}, mm ${show(mm)}, address ${show(address)}: each is a number`);
            visit(instance, mm, address, pfn, isWritable);
          });
        });
      },
      counters: () => called('counters', () => driver.counters()),
      openInstances: () => [...this.isOpen.keys()].filter((instance) => this.isOpen[instance] !== 0),
      rowsInUse: () => this.pools.map(({ name, used, atAttach }) => ({ name, used: (used[0] as number) - atAttach })),
      asMm: (op) => inSrcu(this.srcu, op),
    };
  }

  /** Methods that only this driver has: those that are tasks are followed like the others. */
  private own(driver: SecondaryDriver): Record<string, unknown> {
    const methods = Object.entries(driver).filter(([name, method]) => typeof method === 'function' && !(METHODS as readonly string[]).includes(name));
    return Object.fromEntries(methods.map(([name, method]) => [name, (...args: unknown[]): unknown => {
      const result: unknown = called(name, () => (method as Service).apply(driver, args));
      return isTask(result) ? this.run(name, args, () => result) : result;
    }]));
  }

  /** A call of the kernel or a device into the driver, step by step. */
  private* run(name: string, args: readonly unknown[], make: () => unknown): Generator<string, unknown, void> {
    const call: Call = { name, reached: 0, hasWritten: false, made: new Map(), held: [] };
    // before its end: its number may be another's by then
    if (name === 'destroy') this.isOpen[args[0] as number] = 0;
    try {
      const task = this.within(call, make);
      if (!isTask(task)) throw broken(`\`${name}\` returns ${show(task)}, expected a task: write \`* ${name}(..)\` and \`yield*\` what it calls`);
      for (let steps = 0; ; steps++) {
        if (steps > MANY_STEPS) throw broken(`\`${name}\` does not end: it has taken ${MANY_STEPS} steps`, undefined, 'retry-livelock');
        const { done, value } = this.within(call, () => task.next());
        if (done === true) {
          this.checkEnd(call, args, value);
          return value;
        }
        if (typeof value !== 'string') throw this.yielded(call, value);
        yield value;
      }
    } catch (error) {
      throw explained(name, error);
    }
  }

  /** Other threads run between two steps, and a kernel that calls an op is itself called by the driver. */
  private within<T>(call: Call, act: () => T): T {
    const outer = this.call;
    this.call = call;
    this.uses = 0;
    try {
      return act();
    } finally {
      this.call = outer;
    }
  }

  private checkEnd(call: Call, args: readonly unknown[], result: unknown): void {
    const floating = [...call.made.values()][0];
    if (floating !== undefined) throw broken(floatingTask(call.name, floating), floating.error);
    if (isTask(result)) throw broken(`\`${call.name}\` returns a task that nobody ran: write \`return yield*\``);
    const kept = call.held[0];
    if (kept !== undefined) throw broken(`\`${call.name}\` returns and holds the ${kept.what} that it took`, kept.error, 'lock-misuse');
    checkResult(call.name, result, this.nrFrames);
    if (call.name === 'create' && (result as number) > 0) this.isOpen[result as number] = 1;
    if (call.name === 'release' && this.m?.isAlive(args[1] as Mm) === false) this.isEnded[args[0] as number] = 1;
    if (call.name === 'access' && result !== 0) checkReached(call, args[2] === true, result as number);
  }

  private yielded(call: Call, value: unknown): Error {
    const made = call.made.get(value as object);
    if (made !== undefined) return broken(floatingTask(call.name, made), made.error);
    return broken(isTask(value) ? `\`${call.name}\` yields a task: write \`yield*\` where it has \`yield\`` : `\`${call.name}\` yields ${show(value)}: only tasks of services yield, by \`yield*\``);
  }

  /** A call of the driver into the kernel. */
  private serve(name: string, service: Service, args: unknown[]): unknown {
    checkArguments(name, args, this.nrFrames);
    this.used();
    const { call } = this;
    if (call !== null && UNDER_MMAP_SEM.has(name) && !call.held.some(({ what, lock }) => what === 'mmap_sem' && lock === args[0])) {
      throw broken(`\`${name}\` is called without mmap_sem of mm ${show(args[0])}`, undefined, 'lock-misuse');
    }
    if (name === 'zapVmaPtes' && this.isEnded[args[3] as number] === 1) throw broken(`\`zapVmaPtes\` is called for an area of mm ${show(args[0])}, whose release has returned: its page tables go`, undefined, 'use-after-free');
    const later = LATER[name];
    const [func] = args;
    if (later !== undefined && typeof func === 'function') return service((arg: unknown) => this.run(later, [arg], () => (func as Service)(arg)));
    const isRefused = call !== null && (this.options.isRefusing === true ? isTry(name) : isFailing(this.options.failures, name));
    const result = isRefused ? failed(name) : service(...args);
    // a notifier that is given out, or was given back, is nobody's
    if (name === 'mmuNotifierAlloc') {
      this.registered.delete(result as MmuNotifier);
      this.isEnded[result as number] = 0;
    }
    if (name === 'mmuNotifierFree') this.registered.delete(args[0] as MmuNotifier);
    if (name === 'table') return this.table(String(args[0]), result as Table<TableSpec>, args[1] as TableSpec);
    if (call === null) return result;
    if (name === 'deviceRead' || name === 'deviceWrite') call.reached = args[0] as number;
    if (name === 'deviceWrite') call.hasWritten = true;
    if (!isTask(result)) return result;
    if (name === 'mmuNotifierRegister') this.noteRegister(args[0] as MmuNotifier);
    if (name === 'mmuNotifierUnregister') this.registered.delete(args[0] as MmuNotifier);
    const error = this.options.isLocating === true ? stackHere() : null;
    if (this.options.announces !== undefined && LEAVES.has(name)) return this.follow(call, name, args, thenPoint(result, this.step as Service), error);
    return this.follow(call, name, args, TRIES[name] === undefined ? result : followTry(call, TRIES[name], args[0], result, error), error);
  }

  /** A task that the driver must run now, and what it takes or gives. */
  private follow(call: Call, name: string, args: readonly unknown[], task: Task<string, unknown>, error: Error | null): Task<string, unknown> {
    call.made.set(task, { name, error });
    // yield* asks for the iterator, once, when it begins
    Object.defineProperty(task, Symbol.iterator, { value: () => {
      call.made.delete(task);
      if (TAKES[name] !== undefined) takes(call, TAKES[name], args[0], error);
      if (GIVES[name] !== undefined) gives(call, GIVES[name], args[0]);
      return task;
    } });
    return task;
  }

  private table(name: string, table: Table<TableSpec>, spec: TableSpec): Table<TableSpec> {
    if (Object.keys(POOL_HEAD_SPEC).every((column) => spec[column] !== undefined)) this.pools.push({ name: name.replace(/PoolHead$/, ''), used: table['used'] as Column, atAttach: 0 });
    return this.announcing(table, spec);
  }

  /** Counters are nobody's business: a table of one row and nothing but `f64` is left as it is. */
  private announcing(table: Table<TableSpec>, spec: TableSpec): Table<TableSpec> {
    if (Object.entries(spec).every(([name, type]) => type === 'f64' && table[name]?.length === 1)) return table;
    return Object.fromEntries(Object.entries(table).map(([name, column]) => [name, this.announcingColumn(column as Column)]));
  }

  private announcingColumn(column: Column): Column {
    const touch = (kind: PointKind, key: string | symbol): void => {
      this.used();
      if (this.m !== null && typeof key === 'string' && isIndex(key)) this.m.sched.touch(kind, whereOf(column as Int32Array, Number(key)));
    };
    return new Proxy(column, {
      get: (target, key): unknown => {
        touch(READ, key);
        const value: unknown = Reflect.get(target, key, target);
        return typeof value === 'function' ? (value as (...args: unknown[]) => unknown).bind(target) : value;
      },
      set: (target, key, value): boolean => {
        touch(WRITE, key);
        return Reflect.set(target, key, value, target);
      },
    });
  }

  /** A loop that never comes to its end takes no step either, so nothing else would stop it. */
  private used(): void {
    if (++this.uses > MANY_USES) throw broken(`\`${this.call?.name ?? 'attach'}\` does not end: it has used columns and services ${MANY_USES} times, and nobody was in its way`, undefined, 'retry-livelock');
  }

  private noteRegister(mn: MmuNotifier): void {
    const before = this.registered.get(mn);
    const here = this.options.isLocating === true ? placeIn(stackHere().stack) : '';
    if (before !== undefined && this.options.isSequential === true) throw broken(`notifier ${mn} is registered a second time${before === '' ? '' : `; the first was ${before}`}`);
    this.registered.set(mn, here);
  }
}

type Service = (...args: unknown[]) => unknown;
type Column = Uint8Array | Uint16Array | Uint32Array | Int32Array | Float64Array;

/** Where the driver is. A test framework keeps far longer stacks than this needs. */
function stackHere(): Error {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = FRAMES;
  const error = new Error('here');
  Error.stackTraceLimit = limit;
  return error;
}

const FRAMES = 8;
/** Of one call; the longest that is right takes some hundred. */
const MANY_STEPS = 20_000;
/** Between two moments at which others may run, likewise: one thread alone has none. */
const MANY_USES = 50_000;

function isIndex(key: string): boolean {
  const first = key.charCodeAt(0);
  return first >= 48 && first <= 57;
}

/** A lock counts as held from the moment when it is asked for: a call that waits for one does not return. */
function takes({ held }: Call, what: string, lock: unknown, error: Error | null): void {
  held.push({ what: READABLE[what] ?? what, lock: what.includes('rcu') ? what : lock, error });
}

function gives({ held }: Call, what: string, lock: unknown): void {
  const at = held.findLastIndex((taken) => taken.lock === (what.includes('rcu') ? what : lock));
  if (at >= 0) held.splice(at, 1);
}

function* followTry(call: Call, what: string, lock: unknown, task: Task<string, unknown>, error: Error | null): Generator<string, unknown, void> {
  const result = yield* task;
  if (result === true) takes(call, what, lock, error);
  return result;
}

/** What a driver does with its own columns right after it has left a lock is no part of leaving it: others may come in between. */
function* thenPoint(task: Task<string, unknown>, step: Service): Generator<string, unknown, void> {
  const result = yield* task;
  yield* step(READ, NOWHERE) as Task<string>;
  return result;
}

function floatingTask(call: string, { name }: Made): string {
  return `floating task: \`${call}\` calls \`${name}\` without \`yield*\`, so nothing happens`;
}

/** @param at where it happened, if not here */
function broken(message: string, at: Error | null = new Error(message), code: 'bad-plugin' | 'lock-misuse' | 'retry-livelock' | 'use-after-free' = CODE): Violation {
  return new Violation({ code, message: withPlace(message, placeIn(at?.stack)) });
}

/** An error of the driver's own code becomes a finding; a stop of the kernel gets the driver's line. */
function explained(name: string, error: unknown): unknown {
  if (!(error instanceof Error)) return broken(`\`${name}\` throws ${show(error)}`);
  const place = placeIn(error.stack);
  if (error.name !== 'KernelBug') return new Violation({ code: CODE, message: withPlace(`\`${name}\` throws ${error.name}: ${error.message}`, place) });
  error.message = withPlace(error.message, place);
  return error;
}

function called<T>(name: string, call: () => T): T {
  try {
    return call();
  } catch (error) {
    throw explained(name, error);
  }
}

const METHODS = ['create', 'destroy', 'fault', 'access', 'audit', 'counters'] as const;

/** What can be said of the object itself. @throws Violation */
export function checkShape(value: unknown): asserts value is SecondaryMmu {
  if (typeof value !== 'object' || value === null) throw broken(`a plugin is an object, this is ${show(value)}`);
  const { name, designs, tables, attach } = value as Partial<SecondaryMmu>;
  if (typeof name !== 'string' || !/^[a-z][a-z0-9:-]*$/.test(name)) throw broken(`\`name\` is ${show(name)}, expected lower case letters, digits and hyphens`);
  if (typeof designs !== 'object' || designs === null) throw broken(`plugin \`${name}\`: \`designs\` is ${show(designs)}, expected { v5: [names of ops], range: [names of ops] }`);
  for (const [design, ops] of Object.entries(designs)) {
    const known = (OPS as Readonly<Record<string, readonly string[]>>)[design];
    if (known === undefined) throw broken(`plugin \`${name}\`: \`designs\` names \`${design}\`: there are ${Object.keys(OPS).join(' and ')}`);
    if (!Array.isArray(ops)) throw broken(`plugin \`${name}\`: \`designs.${design}\` is ${show(ops)}, expected the names of its ops`);
    const unknown = ops.find((op: unknown) => !known.includes(String(op)));
    if (unknown !== undefined) throw broken(`plugin \`${name}\`: design ${design} has no op ${show(unknown)}: it has ${known.join(', ')}`);
  }
  if (typeof tables !== 'function' || typeof attach !== 'function') throw broken(`plugin \`${name}\`: \`tables\` and \`attach\` are functions, and both are needed`);
}

const OPS: { readonly [D in 'v5' | 'range']: readonly string[] } = {
  v5: ['release', 'invalidatePage', 'invalidatePages', 'agePage'],
  range: ['release', 'invalidateRangeStart', 'invalidateRangeEnd', 'invalidatePage', 'clearFlushYoung', 'changePte'],
};

const COLUMNS: readonly unknown[] = ['u8', 'u16', 'u32', 'i32', 'f64'];

function checkTables(plugin: string, tables: ReturnType<SecondaryMmu['tables']>): ReturnType<SecondaryMmu['tables']> {
  if (typeof tables !== 'object' || (tables as unknown) === null) throw broken(`plugin \`${plugin}\`: \`tables\` returns ${show(tables)}, expected { name: { rows, spec } }`);
  for (const [name, table] of Object.entries(tables)) {
    const { rows, spec } = (table as unknown ?? {}) as { rows?: unknown; spec?: unknown };
    if (!isCount(rows) || rows === 0) throw broken(`plugin \`${plugin}\`: table \`${name}\` has ${show(rows)} rows, expected a whole number above 0`);
    const wrong = Object.entries((spec ?? {}) as object).find(([, type]) => !COLUMNS.includes(Array.isArray(type) ? type[0] : type));
    if (typeof spec !== 'object' || spec === null) throw broken(`plugin \`${plugin}\`: table \`${name}\` has no spec: { column: 'u32' }`);
    if (wrong !== undefined) throw broken(`plugin \`${plugin}\`: column \`${name}.${wrong[0]}\` is ${show(wrong[1])}: there are ${COLUMNS.join(', ')}`);
  }
  return tables;
}

function checkDriver(plugin: string, driver: SecondaryDriver): void {
  if (typeof driver !== 'object' || (driver as unknown) === null) throw broken(`plugin \`${plugin}\`: \`attach\` returns ${show(driver)}, expected a driver`);
  const missing = METHODS.filter((name) => typeof (driver as Partial<SecondaryDriver>)[name] !== 'function');
  if (missing.length > 0) throw broken(`plugin \`${plugin}\`: the driver that \`attach\` returns has no ${missing.join(', no ')}`);
  if (typeof driver.ops !== 'object' || (driver.ops as unknown) === null) throw broken(`plugin \`${plugin}\`: the driver that \`attach\` returns has no \`ops\``);
}

function checkResult(name: string, result: unknown, nrFrames: number): void {
  const isNumber = Number.isInteger(result);
  const value = result as number;
  if (name === 'access' && !(isNumber && value >= 0 && value <= nrFrames)) throw broken(`\`access\` returns ${show(result)}, expected the frame that it reached, 1 up to ${nrFrames}, or 0`);
  if (name === 'fault' && !(isNumber && value <= 0 && value > MIN_ERRNO)) throw broken(`\`fault\` returns ${show(result)}, expected 0 or a negative errno`);
  if (name === 'create' && !(isNumber && value !== 0 && value > MIN_ERRNO && value < MAX_INSTANCE)) throw broken(`\`create\` returns ${show(result)}, expected an instance above 0 or a negative errno`);
  if ((name === 'agePage' || name === 'clearFlushYoung') && result !== 0 && result !== 1) throw broken(`\`${name}\` returns ${show(result)}, expected 1 (was used) or 0`);
  if (typeof result === 'number' && !isNumber) throw broken(`\`${name}\` returns ${show(result)}`);
}

/** What a device reaches is judged where it reads and writes: an access that does neither is seen by nobody. */
function checkReached({ reached, hasWritten }: Call, isWrite: boolean, pfn: number): void {
  if (reached === 0) throw broken(`\`access\` returns frame ${pfn} and has reached no memory: call \`deviceRead\` and, for a write, \`deviceWrite\` in the step that finds the entry`);
  if (reached !== pfn) throw broken(`\`access\` returns frame ${pfn} and has reached frame ${reached}`);
  if (isWrite && !hasWritten) throw broken(`\`access\` was to write, returns frame ${pfn}, and has called no \`deviceWrite\``);
}

const MIN_ERRNO = -4096;
const MAX_INSTANCE = 1 << 20;
/** Services that are handed a frame first. */
const TAKES_FRAME: ReadonlySet<string> = new Set(['getPage', 'putPage', 'lockPage', 'trylockPage', 'unlockPage', 'setPageDirty', 'deviceRead', 'deviceWrite']);

function checkArguments(name: string, args: readonly unknown[], nrFrames: number): void {
  for (const [i, arg] of args.entries()) {
    const isWrong = arg === undefined || arg === null || (typeof arg === 'number' && !Number.isInteger(arg));
    if (isWrong) throw broken(`\`${name}\` is handed ${show(arg)} as argument ${i + 1}`);
  }
  if (TAKES_FRAME.has(name) && !isHandle(args[0], nrFrames)) throw broken(`\`${name}\` is handed frame ${show(args[0])}: frames are 1 up to ${nrFrames}`);
}

export function isTask(value: unknown): value is Task<string, unknown> {
  return typeof value === 'object' && value !== null && typeof (value as { next?: unknown }).next === 'function' && Symbol.iterator in value;
}

function isHandle(value: unknown, last: number): boolean {
  return isCount(value) && value >= 1 && value <= last;
}

function isCount(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 0;
}

function show(value: unknown): string {
  if (isTask(value)) return 'a task';
  if (value instanceof Promise) return 'a Promise';
  if (typeof value === 'function') return 'a function';
  return typeof value === 'object' && value !== null ? (Array.isArray(value) ? 'a list' : 'an object') : typeof value === 'string' ? JSON.stringify(value) : String(value);
}
