/** /proc/PID/maps and smaps as text. */
import { PAGE_SIZE } from '@mmun/include';
import type { SmapsRow } from './observation.js';
import type { WorldRow } from './world.js';

const ROW = /^([0-9a-f]+)-([0-9a-f]+) (\S+) ([0-9a-f]+) \S+ (\d+) *(.*)$/;
const KIB_PER_PAGE = PAGE_SIZE / 1024;

export function parseMaps(text: string): WorldRow[] {
  const rows: WorldRow[] = [];
  for (const line of text.split('\n')) {
    const row = ROW.exec(line);
    if (row === null) continue;
    rows.push({ start: parseInt(row[1], 16), end: parseInt(row[2], 16), perms: row[3], offset: parseInt(row[4], 16), ino: Number(row[5]), name: row[6] });
  }
  return rows;
}

export function parseSmaps(text: string): SmapsRow[] {
  const rows: SmapsRow[] = [];
  let start = 0;
  let anonymous = 0;
  let rss = 0;
  for (const line of text.split('\n')) {
    if (line.startsWith('Rss:')) rss = parseInt(line.slice(4), 10) / KIB_PER_PAGE;
    else if (line.startsWith('Anonymous:')) anonymous = parseInt(line.slice(10), 10) / KIB_PER_PAGE;
    else if (line.startsWith('VmFlags:')) rows.push({ start, anonymous, rss, flags: line.slice(8).trim() });
    else if (/^[0-9a-f]+-/.test(line)) start = parseInt(line, 16);
  }
  return rows;
}
