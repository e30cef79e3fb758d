import type { MapsRow } from '@mmun/include';
import { formatMapsRow } from '../maps.js';
import type { RecordedRow } from '../maps.js';
import type { SmapsRow } from '../smaps.js';
import type { MapsDifference, RowDifference } from './result.js';
import { vmFlagNames, vmFlagText } from './vm-flag-names.js';

const KB_PER_PAGE = 4;
const CONTEXT_LINES = 2;

/** Rows that the kernel owns: their presence counts, their place does not. [vsyscall] is no VMA. */
function isKernelRow(name: string): boolean {
  return name.startsWith('[vvar') || name === '[vdso]' || name === '[vsyscall]';
}

/** The model's row in the shape of a recorded one. */
export function asRecordedRow(row: MapsRow): RecordedRow {
  const device = `${hex2(row.major)}:${hex2(row.minor)}`;
  return { start: row.start, end: row.end, perms: row.perms, offset: row.offset, device, inode: row.ino, name: row.name };
}

/**
 * Compares every row of maps. A file's name is what the recording says, so where
 * device and inode agree, a name that changed since (unlinked, renamed) is no
 * difference. null: all rows are equal.
 */
export function compareMaps(recorded: readonly RecordedRow[], model: readonly RecordedRow[]): MapsDifference | null {
  const left = recorded.filter((row) => !isKernelRow(row.name));
  const right = model.filter((row) => !isKernelRow(row.name));
  const nrRows = Math.max(left.length, right.length);
  for (let i = 0; i < nrRows; i++) {
    if (i < left.length && i < right.length && isSameRow(left[i], right[i])) continue;
    return rowDifference(left, right, i);
  }
  return compareKernelRows(recorded, model);
}

function isSameRow(a: RecordedRow, b: RecordedRow): boolean {
  return a.start === b.start && a.end === b.end && a.perms === b.perms && a.offset === b.offset
    && a.device === b.device && a.inode === b.inode && (a.name === b.name || a.inode !== 0);
}

function rowDifference(left: readonly RecordedRow[], right: readonly RecordedRow[], at: number): MapsDifference {
  const before = left.slice(Math.max(0, at - CONTEXT_LINES), at).map((row) => `  ${formatMapsRow(row)}`);
  // From the first difference to the next row that both have: what to read, not the rest of the file.
  let i = at;
  let j = at;
  const minus: string[] = [];
  const plus: string[] = [];
  while ((i < left.length || j < right.length) && minus.length + plus.length < 12) {
    const a = left[i];
    const b = right[j];
    if (a !== undefined && b !== undefined && isSameRow(a, b)) break;
    if (b === undefined || (a !== undefined && a.end <= b.end)) minus.push(`- ${formatMapsRow(left[i++])}`);
    if (a === undefined || (b !== undefined && b.end <= a.end)) plus.push(`+ ${formatMapsRow(right[j++])}`);
  }
  return {
    recorded: at < left.length ? formatMapsRow(left[at]) : null,
    model: at < right.length ? formatMapsRow(right[at]) : null,
    diff: [...before, ...minus, ...plus],
  };
}

function compareKernelRows(recorded: readonly RecordedRow[], model: readonly RecordedRow[]): MapsDifference | null {
  const names = (rows: readonly RecordedRow[]): Set<string> =>
    new Set(rows.map(({ name }) => name).filter((name) => isKernelRow(name) && name !== '[vsyscall]'));
  const left = names(recorded);
  const right = names(model);
  for (const name of left) if (!right.has(name)) return { recorded: name, model: null, diff: [`- ${name}`] };
  for (const name of right) if (!left.has(name)) return { recorded: null, model: name, diff: [`+ ${name}`] };
  return null;
}

/** What smaps says, row by row, against the model. A row that the model lacks counts as unequal. */
export interface SmapsComparison {
  readonly anonymous: { rows: number; equal: number; firstDifference: RowDifference | null };
  readonly vmFlags: { rows: number; equal: number; firstDifference: RowDifference | null };
  readonly rss: { rows: number; equal: number };
}

export function compareSmaps(recorded: readonly SmapsRow[], model: readonly MapsRow[], lineOf: (row: SmapsRow) => string): SmapsComparison {
  const byStart = new Map(model.map((row) => [isKernelRow(row.name) ? row.name : row.start, row]));
  const result: SmapsComparison = {
    anonymous: { rows: 0, equal: 0, firstDifference: null }, vmFlags: { rows: 0, equal: 0, firstDifference: null },
    rss: { rows: 0, equal: 0 },
  };
  for (const row of recorded) {
    if (row.name === '[vsyscall]') continue;
    const isKernels = isKernelRow(row.name);
    const found = byStart.get(isKernels ? row.name : row.start);
    const same = found !== undefined && (isKernels || found.end === row.end) ? found : undefined;
    // what the model has swapped out, because its memory was made short, the recorded kernel had in memory
    const anonymousKb = same === undefined ? null : (same.anonymous + (same.swap ?? 0)) * KB_PER_PAGE;
    count(result.anonymous, row.anonymousKb === anonymousKb, () => ({
      row: lineOf(row), recorded: `Anonymous: ${row.anonymousKb} kB`, model: anonymousKb === null ? 'no such row' : `Anonymous: ${anonymousKb} kB`,
    }));
    if (isKernels) continue;
    const recordedFlags = vmFlagText(row.vmFlags);
    const modelFlags = same === undefined ? null : vmFlagText(vmFlagNames(same.vmFlags));
    count(result.vmFlags, recordedFlags === modelFlags, () => ({
      row: lineOf(row), recorded: `VmFlags: ${recordedFlags}`, model: modelFlags === null ? 'no such row' : `VmFlags: ${modelFlags}`,
    }));
    result.rss.rows++;
    if (same !== undefined && same.rss * KB_PER_PAGE === row.rssKb) result.rss.equal++;
  }
  return result;
}

function count(
  into: { rows: number; equal: number; firstDifference: RowDifference | null }, isEqual: boolean, difference: () => RowDifference,
): void {
  into.rows++;
  if (isEqual) into.equal++;
  else into.firstDifference ??= difference();
}

function hex2(value: number): string {
  return value.toString(16).padStart(2, '0');
}
