import { parseMapsRow } from './maps.js';
import { eachLine } from './text-file.js';
import type { ParseContext } from './text-file.js';

/** What smaps adds to a row of maps. */
export interface SmapsRow {
  readonly start: number;
  readonly end: number;
  readonly name: string;
  /** kB. */
  readonly rssKb: number;
  readonly anonymousKb: number;
  /** Two-letter names, `rd wr mr mw me ac`; empty where the kernel printed none. */
  readonly vmFlags: readonly string[];
}

const FIELD = /^(\w+):\s*(.*)$/;

/** All blocks of a smaps file; lines that are neither a row nor a field are skipped and listed. */
export function parseSmaps(text: string, context: ParseContext): SmapsRow[] {
  const rows: SmapsRow[] = [];
  let block: { -readonly [K in keyof SmapsRow]: SmapsRow[K] } | null = null;
  eachLine(text, (line, number) => {
    const row = parseMapsRow(line);
    if (row !== null) {
      block = { start: row.start, end: row.end, name: row.name, rssKb: 0, anonymousKb: 0, vmFlags: [] };
      rows.push(block);
      return;
    }
    const field = FIELD.exec(line);
    if (field === null || block === null) {
      context.skip(number, 'expected a row of maps or `FIELD: VALUE`');
    } else if (field[1] === 'Rss') {
      block.rssKb = parseInt(field[2], 10);
    } else if (field[1] === 'Anonymous') {
      block.anonymousKb = parseInt(field[2], 10);
    } else if (field[1] === 'VmFlags') {
      block.vmFlags = field[2].trim().split(/\s+/).filter((flag) => flag !== '');
    }
  });
  return rows;
}
