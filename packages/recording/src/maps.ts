import { eachLine } from './text-file.js';
import type { ParseContext } from './text-file.js';

/** One row of /proc/PID/maps. Addresses and offset in bytes; exact below 2^53 ([vsyscall] is rounded, its text is not used). */
export interface RecordedRow {
  readonly start: number;
  readonly end: number;
  /** `rw-p` */
  readonly perms: string;
  readonly offset: number;
  /** `MAJ:MIN`, hexadecimal. */
  readonly device: string;
  readonly inode: number;
  /** Path with the kernel's escapes (`\012`) as they stand, a name in brackets, or empty. */
  readonly name: string;
}

const ROW = /^([0-9a-f]+)-([0-9a-f]+) ([r-][w-][x-][ps]) ([0-9a-f]+) ([0-9a-f]{2,}:[0-9a-f]{2,}) (\d+)(?: +(.*))?$/;

/** The row that a line of maps (or the head of a smaps block) shows; null where it is none. */
export function parseMapsRow(line: string): RecordedRow | null {
  const match = ROW.exec(line);
  if (match === null) return null;
  return {
    start: parseInt(match[1], 16), end: parseInt(match[2], 16), perms: match[3], offset: parseInt(match[4], 16),
    device: match[5], inode: Number(match[6]), name: match[7] ?? '',
  };
}

/** All rows of a maps file; a line that is no row is skipped and listed. */
export function parseMaps(text: string, context: ParseContext): RecordedRow[] {
  const rows: RecordedRow[] = [];
  eachLine(text, (line, number) => {
    const row = parseMapsRow(line);
    if (row === null) context.skip(number, 'expected `START-END PERMS OFFSET MAJ:MIN INODE NAME`');
    else rows.push(row);
  });
  return rows;
}

/** A row as /proc/PID/maps prints it, without trailing blanks. fs/proc/task_mmu.c pads the name to column 73. */
export function formatMapsRow(row: RecordedRow): string {
  const head = `${hex8(row.start)}-${hex8(row.end)} ${row.perms} ${hex8(row.offset)} ${row.device} ${row.inode}`;
  return row.name === '' ? head : `${head.padEnd(72)} ${row.name}`;
}

function hex8(value: number): string {
  return value.toString(16).padStart(8, '0');
}
