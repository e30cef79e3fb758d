/** What execve may have mapped where no MMAP2 rows say it: the poorer a recording, the more is guessed. */
import { PAGE_SIZE } from '@mmun/include';
import type { ExecLayout, ExecRow, File, Vaddr } from '@mmun/include';
import type { MappedFile } from '../call.js';
import type { RecordedRow } from '../maps.js';
import type { ProcStat } from '../stat.js';

const STACK_END = 0x7ffffffff000;
const STACK_BYTES = 0x21000;
const DEFAULT_MMAP_BASE = 0x7ffff7fff000;
const DEFAULT_START_BRK = 0x555555559000;

/** A program of which nothing is known but where its heap and its mappings begin. */
export function bareLayout(startBrk: number, mmapBase: number | null): ExecLayout {
  const stack: ExecRow = {
    kind: 'stack', start: (STACK_END - STACK_BYTES) as Vaddr, end: STACK_END as Vaddr, prot: 3, file: 0 as File,
    pgoff: (STACK_END - STACK_BYTES) / PAGE_SIZE, name: '',
  };
  return {
    rows: [stack], mmapBase: (mmapBase ?? DEFAULT_MMAP_BASE) as Vaddr, startBrk: (startBrk || DEFAULT_START_BRK) as Vaddr,
    startStack: (STACK_END - PAGE_SIZE) as Vaddr, argStart: (STACK_END - PAGE_SIZE) as Vaddr,
  };
}

/**
 * The rows of the end that execve must have made: stack, program, interpreter,
 * vdso and vvar, with the permissions that they have at the end.
 * @returns null where the maps show no stack
 */
export function layoutFromMaps(
  maps: readonly RecordedRow[], stat: ProcStat | null, fileOf: (row: MappedFile) => File,
): ExecLayout | null {
  const stack = maps.find((row) => row.name === '[stack]');
  const program = maps.find((row) => row.inode !== 0)?.name ?? '';
  if (stack === undefined) return null;
  const isExecs = (row: RecordedRow, index: number): boolean => row.name === program || /\/ld[-.][^/]*$/.test(row.name)
    || row.name === '[vdso]' || row.name.startsWith('[vvar') || (row.name === '' && isBss(maps, index, program));
  const rows = [stack, ...maps.filter((row, index) => isExecs(row, index))];
  const above = maps.filter((row) => row.name !== '[stack]' && row.name !== '[vsyscall]' && row.end < stack.start);
  const heap = maps.find((row) => row.name === '[heap]');
  return {
    rows: rows.map((row) => execRow(row, fileOf)),
    mmapBase: (above.at(-1)?.end ?? DEFAULT_MMAP_BASE) as Vaddr,
    startBrk: (stat?.startBrk || heap?.start || DEFAULT_START_BRK) as Vaddr,
    startStack: (stat?.startStack || stack.end - PAGE_SIZE) as Vaddr,
    argStart: (stat?.argStart || stack.end - PAGE_SIZE) as Vaddr,
  };
}

/** Anonymous memory right behind the program's last row. */
function isBss(maps: readonly RecordedRow[], index: number, program: string): boolean {
  const before = maps[index - 1];
  return before !== undefined && before.name === program && before.end === maps[index].start;
}

function execRow(row: RecordedRow, fileOf: (row: MappedFile) => File): ExecRow {
  const isFile = row.inode !== 0;
  const kind = row.name === '[stack]' ? 'stack' : row.name === '[vdso]' ? 'vdso' : row.name.startsWith('[v') ? 'vvar' : isFile ? 'file' : 'bss';
  const prot = (row.perms[0] === 'r' ? 1 : 0) | (row.perms[1] === 'w' ? 2 : 0) | (row.perms[2] === 'x' ? 4 : 0);
  return {
    kind, start: row.start as Vaddr, end: row.end as Vaddr, prot, file: isFile ? fileOf(row) : (0 as File),
    pgoff: isFile ? row.offset / PAGE_SIZE : kind === 'stack' ? row.start / PAGE_SIZE : 0, name: kind === 'vdso' || kind === 'vvar' ? row.name : '',
  };
}
