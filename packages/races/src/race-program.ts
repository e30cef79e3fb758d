/** A race, one of its variants and an image, as a program for the explorer. */
import { CLONE_VM, ERRNO_NAMES, MAX_ERRNO } from '@mmun/include';
import type { MachineConfig, SecondaryMmu, Task, TaskStruct } from '@mmun/include';
import type { Program, Report, Thread } from '@mmun/explorer';
import { Oracle, Violation } from '@mmun/oracle';
import type { WatchedMachine } from '@mmun/oracle';
import type { Actor, ActorTask, Race, Setup, Variant } from './define.js';
import { RaceContext } from './race-context.js';
import type { Parameters } from './race-context.js';
import type { RaceImage } from './race-image.js';

export interface RaceProgram extends Program<WatchedMachine> {
  /** What all executions together show: lock order. */
  readonly oracle: Oracle<WatchedMachine>;
}

/** A machine as the set-up left it, with the threads that the actors are. */
interface Stage<S> {
  readonly m: WatchedMachine;
  readonly t: RaceContext;
  readonly s: S;
  /** By actor. */
  readonly threads: readonly TaskStruct[];
}

export function raceProgram<S>(race: Race<S>, variant: Variant, image: RaceImage, parameters: Parameters): RaceProgram {
  const oracle = new Oracle<WatchedMachine>(image);
  const stages = new WeakMap<WatchedMachine, Stage<S>>();
  const bootOne = (): WatchedMachine => {
    const stage = bootRace(race, variant, oracle, parameters);
    stages.set(stage.m, stage);
    // part of the machine: what never changes need not be compared when states are
    Object.assign(stage.m, { race: stage });
    return stage.m;
  };
  /** Made to see which threads there are; the first who asks for a machine gets it. */
  let first: WatchedMachine | null = bootOne();
  const { threads: handles } = stages.get(first) as Stage<S>;
  const threads = Object.entries(race.actors).map(([name, given], i): Thread<WatchedMachine> => {
    const { run, isDaemon = name === WORKER } = actorOf(given);
    return {
      name, isDaemon, handle: handles[i] as number,
      run: (m): Task<string, unknown> => {
        const { t, s } = stages.get(m) as Stage<S>;
        return taskOf(name, run(t, s));
      },
    };
  });
  return {
    name: race.id, threads, oracle,
    boot: (): WatchedMachine => {
      const m = first ?? bootOne();
      first = null;
      return m;
    },
    nameOf: (m, where) => image.nameOfWhere(m, where),
    atEnd: (m, report) => {
      oracle.atEnd(m, report);
      judge(race, stages.get(m) as Stage<S>, report);
    },
  };
}

/** A function that makes a task and does not return it would be an actor that does nothing, and a race that is clean. */
function taskOf(name: string, task: Task<string, unknown> | undefined): Task<string, unknown> {
  return typeof task?.next === 'function' ? task : noTask(name);
}

function* noTask(name: string): Task<never, never> {
  throw new Error(`actor \`${name}\` returned no task: write \`* ${name}(t, s) { yield* .. }\`, or return what it calls`);
}

function judge<S>({ atEnd }: Race<S>, { t, s }: Stage<S>, report: (found: Report) => void): void {
  try {
    t.oracle.fromOutside(t.m, () => { atEnd?.(t, s); });
  } catch (error) {
    if (!(error instanceof Violation)) throw error;
    report({ code: error.code, message: error.message });
  }
}

function bootRace<S>(race: Race<S>, variant: Variant, oracle: Oracle<WatchedMachine>, parameters: Parameters): Stage<S> {
  const { image } = oracle;
  const plugins: SecondaryMmu[] = [...(variant.plugin === undefined ? [] : [variant.plugin]), ...(variant.plugins ?? [])];
  const { m, drivers } = oracle.boot(configOf(race, image as RaceImage), plugins, race.watchFields, race.watchObjects);
  const leader = image.newProcess(m);
  image.setTaskCpu(m, leader, 0);
  image.setCurrent(m, leader);
  const mm = image.mmOf(m, leader);
  const instances = drivers.map((driver) => (race.opensDevices === true ? 0 : image.run(m, driver.create(mm))));
  const t = new RaceContext(oracle, m, drivers, instances, parameters);
  const s = race.setup(inSetup(t));
  if (m.bootConfig.nrSwapSlots > 0) image.run(m, (image as RaceImage).lruAddDrain(m));
  if (WORKER in race.actors) image.hasWorker(m);
  image.setCurrent(m, leader);
  const threads = Object.entries(race.actors).map(([name, given]) => threadOf(t, leader, name, actorOf(given), s));
  image.setCurrent(m, 0 as TaskStruct);
  t.start();
  return { m, t, s, threads };
}

/** The thread that an actor is: cpu0 is the first process itself, other CPUs run threads of it. */
function threadOf<S>({ image, m }: RaceContext, leader: TaskStruct, name: string, { as }: Actor<S>, s: S): TaskStruct {
  const cpu = cpuOf(name);
  let task = leader;
  if (as !== undefined) task = as(s) as TaskStruct;
  else if (cpu < 0) task = image.kernelThread(m);
  else if (cpu > 0) task = image.run(m, image.sysClone(m, CLONE_VM)) as TaskStruct;
  if (task <= 0) throw new RangeError(`actor \`${name}\`: no thread is left for it: raise \`config.nrTasks\``);
  if (cpu >= 0) image.setTaskCpu(m, task, cpu);
  return task;
}

/** The actor that runs the work queue: `kworker: (t) => t.work()`. */
const WORKER = 'kworker';

/** `cpu3` runs on CPU 3; -1 for everyone else. */
function cpuOf(name: string): number {
  const match = /^cpu(\d)$/.exec(name);
  return match === null ? -1 : Number(match[1]);
}

function configOf<S>({ actors, config }: Race<S>, { toyConfig }: RaceImage): MachineConfig {
  const nrActors = Object.keys(actors).length;
  const unknown = Object.keys(config ?? {}).find((key) => key !== 'faultInjection' && !(key in toyConfig));
  if (unknown !== undefined) throw new RangeError(`\`config\` has ${unknown}: expected ${Object.keys(toyConfig).join(', ')} or faultInjection`);
  const nrCpus = Math.max(2, ...Object.keys(actors).map((name) => cpuOf(name) + 1));
  return { ...toyConfig, nrCpus, nrTasks: Math.max(toyConfig.nrTasks, nrActors + 2), ...config };
}

export function actorOf<S>(given: ActorTask<S> | Actor<S>): Actor<S> {
  return typeof given === 'function' ? { run: given } : given;
}

/** Tasks run to their end as soon as they are called. Other calls may fail on purpose; without its memory no race is what was meant. */
function inSetup(t: RaceContext): Setup {
  const run = (name: string | symbol, value: unknown): unknown => {
    const result: unknown = t.image.run(t.m, value as Task<string, unknown>);
    if (name === 'mmap' && typeof result === 'number' && result < 0 && result >= -MAX_ERRNO) throw new Error(`t.mmap() fails in \`setup\`: ${ERRNO_NAMES[-result] ?? String(result)}`);
    return result;
  };
  const view = (target: object): object => new Proxy(target, {
    get(object, key): unknown {
      const value: unknown = Reflect.get(object, key, object);
      if (key === 'dev') return view(value as object);
      if (key === 'devs') return (value as object[]).map(view);
      if (typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => run(key, (value as (...args: unknown[]) => unknown).apply(object, args));
    },
  });
  return view(t) as Setup;
}
