/** One trial of the comparison with KVM: what is in the shadow page table, what the host does, and what must be seen then. */
import { KVM_PAGES, drawRange, fresh } from './kvm-kinds.js';
import type { Backing, KvmKind, Range } from './kvm-kinds.js';
import { operationText } from './operation.js';
import type { Operation } from './operation.js';
import type { Random } from './random.js';

/** Pages of a huge page. */
export const BLOCK = 512;

export interface Trial {
  readonly kind: KvmKind;
  readonly range: Range;
  readonly operations: readonly Operation[];
  /** Pages that the guest has in its shadow page table, lowest first: a fault of the guest costs more than all the rest, so not every page is. */
  readonly sample: readonly number[];
  /** Those of them that it writes to once more after its log began anew. */
  readonly written: readonly number[];
}

export interface KvmDifference {
  readonly kind: string;
  readonly backing: Backing;
  readonly program: readonly string[];
  readonly model: string;
  readonly kernel: string;
}

/** What the kernel did in one trial. */
export interface Seen {
  readonly results: readonly number[];
  readonly nrDropped: number;
  /** Pages that were to be left and had to be made again. */
  readonly nrMissing: number;
  readonly dirty: Uint8Array;
}

export function drawTrial(kind: KvmKind, random: Random): Trial {
  const range = drawRange(random);
  const sample = drawSample(range, random);
  const from = random.below(sample.length);
  return { kind, range, operations: kind.operations(range, random), sample, written: sample.slice(from, from + random.below(12)) };
}

/** Both sides of everything that is a boundary, and some pages of each piece in between; now and then a dense run across one end. */
function drawSample({ first, end }: Range, random: Random): readonly number[] {
  const pages = new Set<number>();
  const add = (page: number): void => { if (page >= 0 && page < KVM_PAGES) pages.add(page); };
  for (const boundary of [0, BLOCK, 2 * BLOCK, KVM_PAGES]) for (const page of [boundary - 1, boundary]) add(page);
  for (const boundary of [first, end]) for (let page = boundary - 2; page < boundary + 2; page++) add(page);
  for (let i = 0; i < 6; i++) add(first + random.below(end - first));
  for (let i = 0; i < 8; i++) add(random.below(KVM_PAGES));
  if (random.oneIn(24)) {
    const middle = random.pick([first, end]);
    for (let page = middle - 40; page < middle + 40; page++) add(page);
  }
  return [...pages].sort((a, b) => a - b);
}

/** With what goes too, because it lies in a huge page's room around a cut. */
export function widened(must: Uint8Array, { range, sample }: Pick<Trial, 'range' | 'sample'>): Uint8Array {
  const all = must.slice();
  for (const cut of [range.first, range.end]) {
    if (cut % BLOCK === 0) continue;
    const block = cut - (cut % BLOCK);
    for (const page of sample) if (page >= block && page < block + BLOCK) all[page] = 1;
  }
  return all;
}

/** @param must pages of the sample that the model dropped @param predicted those that this kernel will drop */
export function differenceOf(trial: Trial, must: Uint8Array, predicted: Uint8Array, { results, nrDropped, nrMissing, dirty }: Seen): KvmDifference | null {
  const { kind, operations, written } = trial;
  const failed = results.find((result) => result < 0);
  const wrong = (model: string, kernel: string): KvmDifference => ({ kind: kind.name, backing: kind.backing, program: programOf(trial), model, kernel });
  if (failed !== undefined) return wrong(`${operations.length} operations succeed`, `one gave ${failed}`);
  if (nrDropped < count(must)) return wrong(`drops ${count(must)} entries: ${textOf(must)}`, `drops ${nrDropped}: fewer`);
  if (nrDropped !== count(predicted) || nrMissing !== 0) {
    return wrong(`drops ${count(must)}, and ${count(predicted)} with what lies around a cut: ${textOf(predicted)}`, `drops ${nrDropped}${nrMissing === 0 ? '' : `, of them ${nrMissing} that should stay`}`);
  }
  const expected = new Uint8Array(dirty.length);
  for (const page of written) expected[page >>> 3] |= 1 << (page & 7);
  const stray = dirty.findIndex((bits, byte) => bits !== expected[byte]);
  if (stray >= 0) return wrong(`the guest wrote ${written.length === 0 ? 'no page' : `pages ${written.join(', ')}`}`, `its log has 0x${(dirty[stray] as number).toString(16)} for pages ${stray * 8} to ${stray * 8 + 7}`);
  return null;
}

function programOf({ kind, operations, sample, written }: Trial): string[] {
  return [
    ...fresh(kind.backing).map(operationText), `guest: writes pages ${sample.join(', ')}; KVM_GET_DIRTY_LOG`,
    ...(written.length === 0 ? [] : [`guest: writes pages ${written.join(', ')}`]), ...operations.map(operationText),
  ];
}

function textOf(pages: Uint8Array): string {
  const numbers = [...pages.keys()].filter((page) => pages[page] === 1);
  return numbers.length === 0 ? 'none' : `${numbers.length === 1 ? 'page' : 'pages'} ${numbers.join(', ')}`;
}

export function count(pages: Uint8Array): number {
  let sum = 0;
  for (const page of pages) sum += page;
  return sum;
}
