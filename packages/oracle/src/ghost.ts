/**
 * What oracles must remember lies in tables of the machine's own buffer, where kernel and drivers cannot see it: so it is
 * restored, copied and compared with the machine, and no search can mix up two pasts.
 *
 *   page      row 16 * mm + page % 16     calls under way on the page, who changed it last, what it must hold
 *   space     row mm                      calls under way on the whole address space
 *   thread    row thread                  which device instance it is playing, and where it is
 *   instance  row instance                of each device: is it open, was it released, are ops running for it
 *   frame     row frame                   written as which generation, and as which page of a file
 *   range     row of thread, device and instance   brackets of the range design that are open
 */
import type { MachineConfig, Mm, SecondaryMachine, SecondaryMmu, SecondaryTable, Table, Vaddr, Where } from '@mmun/include';
import { PAGE_SIZE } from '@mmun/include';
import { whereOf } from '@mmun/lib';

const pageSpec = {
  /** Calls and write accesses under way that may change what the page translates to. */
  busy: 'u32',
  /** Of these, calls that may throw its content away. */
  discarding: 'u32',
  /** Index of the last call that returned, plus 1; 0: none. */
  returned: 'u32',
  /** What a read must give, if `known` is KNOWN. */
  value: 'u32',
  known: 'u32',
  /** The page, where anything is known of it. */
  address: 'f64',
} as const;

const spaceSpec = { busy: 'u32', forking: 'u32', parent: 'u32' } as const;
/** Row 0 is no thread's: `begun` says that the execution has. */
const threadSpec = { instance: 'u32', begun: 'u32' } as const;
/** `births`: how often the number was given out; it may be another's before destroy() of the one before has returned. */
const instanceSpec = { state: 'u32', running: 'u32', released: 'u32', mm: 'u32', births: 'u32' } as const;
const frameSpec = {
  /** Its generation when a device or a CPU wrote to it last. */
  written: 'u32',
  /** The page of a file that it was then, and what was written; 0: none, or thrown away since. */
  inode: 'u32',
  inodeGeneration: 'u32',
  index: 'f64',
  value: 'u32',
} as const;

/** Ranges that a thread has begun and not ended, for one instance of one device. The thread's own. */
type RangeSpec = { readonly depth: 'u32'; readonly start: readonly ['f64', number]; readonly end: readonly ['f64', number] };
/** Brackets inside of brackets. */
export const RANGE_DEPTH = 3;
/** Instances of one device whose brackets are told apart. */
export const RANGE_INSTANCES = 2;
const rangeSpec: RangeSpec = { depth: 'u32', start: ['f64', RANGE_DEPTH], end: ['f64', RANGE_DEPTH] };

/** Values of page.known. */
export const UNKNOWN = 0;
export const KNOWN = 1;
/** Written while a fork was under way: the child may have either. */
export const KNOWN_SINCE_FORK = 2;
/** The content is shared, or not followed. */
export const UNTRACKED = 3;

/** Values of instance.state; 0: never opened. */
export const OPEN = 1;
/** Off the list; ops that began before may still be running. */
export const UNREGISTERED = 2;
/** destroy() has returned. */
export const CLOSED = 3;
/** destroy() has returned after the end of the address space: ops may run until release, if one is to come at all. */
export const LEFT = 4;

const PAGES_PER_SPACE = 16;
export const INSTANCES_PER_DRIVER = 16;
/** Devices of one machine. */
export const DRIVERS = 4;

export interface Ghost {
  readonly page: Table<typeof pageSpec>;
  readonly space: Table<typeof spaceSpec>;
  readonly thread: Table<typeof threadSpec>;
  readonly instance: Table<typeof instanceSpec>;
  readonly frame: Table<typeof frameSpec>;
  readonly range: Table<RangeSpec>;
}

/** To be handed to boot among the plugins; it is never attached. */
export const ghostTables: SecondaryMmu = {
  name: 'oracle',
  designs: {},
  tables: ({ nrMms, nrTasks, nrFrames }: MachineConfig): Readonly<Record<string, SecondaryTable>> => ({
    page: { rows: (nrMms + 1) * PAGES_PER_SPACE, spec: pageSpec },
    space: { rows: nrMms + 1, spec: spaceSpec },
    thread: { rows: nrTasks + 1, spec: threadSpec },
    instance: { rows: DRIVERS * INSTANCES_PER_DRIVER, spec: instanceSpec },
    frame: { rows: nrFrames + 1, spec: frameSpec },
    range: { rows: (nrTasks + 1) * DRIVERS * RANGE_INSTANCES, spec: rangeSpec },
  }),
  attach: () => { throw new Error('the tables of the oracle belong to no device'); },
};

export function ghostOf({ secondaryTables: tables }: SecondaryMachine): Ghost {
  return {
    page: tables['oracle.page'] as Ghost['page'], space: tables['oracle.space'] as Ghost['space'], thread: tables['oracle.thread'] as Ghost['thread'],
    instance: tables['oracle.instance'] as Ghost['instance'], frame: tables['oracle.frame'] as Ghost['frame'],
    range: tables['oracle.range'] as Ghost['range'],
  };
}

export function pageRow(mm: Mm, address: Vaddr): number {
  return mm * PAGES_PER_SPACE + (Math.floor(address / PAGE_SIZE) % PAGES_PER_SPACE);
}

export function instanceRow(driver: number, instance: number): number {
  return driver * INSTANCES_PER_DRIVER + (instance % INSTANCES_PER_DRIVER);
}

export function busyWhere(ghost: Ghost, row: number): Where {
  return whereOf(ghost.page.busy, row);
}

export function returnedWhere(ghost: Ghost, row: number): Where {
  return whereOf(ghost.page.returned, row);
}

export function valueWhere(ghost: Ghost, row: number): Where {
  return whereOf(ghost.page.value, row);
}

export function spaceWhere(ghost: Ghost, mm: Mm): Where {
  return whereOf(ghost.space.busy, mm);
}
