/** Each design with its right driver, against every call that changes a pte: clean, or convicted with a counterexample. */
import { Unsettled } from './claim.js';
import type { Explored, Lab } from './claim.js';
import { exploreOne } from './explored.js';
import { inOrder } from './in-order.js';

export type CellDesign = 'v5' | 'range';

export interface Cell {
  readonly call: string;
  readonly access: 'read' | 'write';
  readonly design: CellDesign;
  readonly plugin: string;
  /** CPUs: one that makes the call, the device, and in the third column one that writes to the page. */
  readonly cpus: 2 | 3;
  /** Null where the search was not made, or not finished. */
  readonly explored: Explored | null;
  /** Why a search that was made says nothing; empty where it does. */
  readonly open: string;
}

export const TABLE_CALLS: readonly string[] = ['munmap', 'mprotect', 'fork', 'mremap', 'reclaim', 'cow', 'truncate', 'exit', 'unregister'];
export const TABLE_PLUGINS: Readonly<Record<CellDesign, readonly string[]>> = { v5: ['kvm', 'gru'], range: ['kvm', 'gru', 'xpmem'] };

/** Not covered in the time that a search may take: three CPUs, where start and end bring many steps. */
const TOO_LARGE: ReadonlySet<string> = new Set(['cow-read range', 'cow-write range', 'reclaim-write range', 'truncate-write range']);

/** The same with two: XPMEM sends messages under its mutexes. */
const TOO_LARGE_FOR_TWO: ReadonlySet<string> = new Set(['cow-write range xpmem', 'unregister-read range xpmem', 'unregister-write range xpmem']);

/** Of one search with three CPUs. */
const DEEP_MILLIS = 600_000;

/** The variant of the race `CALL-ACCESS` in which the design is as it was and the driver is right. */
function variantOf(call: string, design: CellDesign, plugin: string): string {
  if (plugin !== 'kvm') return `${design}-${plugin}`;
  if (design === 'range') return 'range';
  return call === 'fork' ? 'buggy' : 'fixed';
}

/** A search that ends neither way leaves the cell open. */
async function exploreOrNot(lab: Lab, cell: Omit<Cell, 'explored' | 'open'>): Promise<Pick<Cell, 'explored' | 'open'>> {
  try {
    return { explored: await explore(lab, cell), open: '' };
  } catch (error) {
    return { explored: null, open: error instanceof Error ? error.message : String(error) };
  }
}

export interface TableOptions {
  /** With a third CPU too. */
  readonly isDeep?: boolean;
  /** Left out: 1. */
  readonly atOnce?: number;
  /** Cells that were not explored then are left out. */
  readonly isInterrupted?: () => boolean;
  /** Before each search. */
  readonly onProgress?: (fraction: number, cell: string) => void;
}

export async function v5Table(lab: Lab, { isDeep = false, atOnce = 1, isInterrupted = (): boolean => false, onProgress = (): void => undefined }: TableOptions = {}): Promise<readonly Cell[]> {
  const wanted = TABLE_CALLS.flatMap((call) => (['read', 'write'] as const).flatMap((access) => (['v5', 'range'] as const).flatMap((design) => TABLE_PLUGINS[design].flatMap((plugin) =>
    (isDeep ? [2, 3] as const : [2] as const).map((cpus) => ({ call, access, design, plugin, cpus }))))));
  let done = 0;
  const cells = await inOrder(wanted, atOnce, async (cell) => {
    if (isInterrupted()) return null;
    onProgress(done / wanted.length, `${cell.call}-${cell.access}, ${cell.design}`);
    const outcome = await exploreOrNot(lab, cell);
    done++;
    return outcome.open !== '' && isInterrupted() ? null : { ...cell, ...outcome };
  });
  return cells.filter((cell) => cell !== null);
}

async function explore(lab: Lab, { call, access, design, plugin, cpus }: Omit<Cell, 'explored' | 'open'>): Promise<Explored | null> {
  const race = `${call}-${access}`;
  // a second thread would keep the address space that is to end
  if (cpus === 2 && TOO_LARGE_FOR_TWO.has(`${race} ${design} ${plugin}`)) return null;
  if (cpus === 3 && (call === 'exit' || plugin !== 'kvm' || TOO_LARGE.has(`${race} ${design}`))) return null;
  const found = await exploreOne(lab, {
    race, variant: variantOf(call, design, plugin), says: `${race} under ${design}`,
    // start, end and a copy: fewer states than orderings
    ...(race === 'cow-write' && design === 'range' && cpus === 2 ? { strategy: 'stateful' as const } : {}),
    ...(cpus === 3 ? { set: { writers: 1 }, strategy: 'stateful' as const, maxMillis: DEEP_MILLIS } : {}),
  });
  if (found.counterexample === null && !found.exhaustive) throw new Unsettled(`${race}, ${design}, ${cpus} CPUs: not every interleaving was covered`);
  return found;
}
