/** What execve may have mapped where no MMAP2 rows say it: the poorer a recording, the more is guessed. */
import { PAGE_SIZE } from '@mmun/include';
import type { ExecLayout, ExecRow, File, Vaddr } from '@mmun/include';
import type { MappedFile } from '../call.js';
import type { ElfSegment } from '../elf.js';
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
 * vdso and vvar. What `elf` does not know has the permissions that it has at the end.
 * @returns null where the maps show no stack
 */
export function layoutFromMaps(
  maps: readonly RecordedRow[], sources: { stat: ProcStat | null; elf: ReadonlyMap<string, readonly ElfSegment[]>; fileOf(row: MappedFile): File },
): ExecLayout | null {
  const { stat } = sources;
  const stack = maps.find((row) => row.name === '[stack]');
  const program = maps.find((row) => row.inode !== 0)?.name ?? '';
  if (stack === undefined) return null;
  const isExecs = (row: RecordedRow, index: number): boolean => row.name === program || /\/ld[-.][^/]*$/.test(row.name)
    || row.name === '[vdso]' || row.name.startsWith('[vvar') || (row.name === '' && isBss(maps, index, program));
  const rows = [stack, ...maps.filter((row, index) => isExecs(row, index))];
  const above = maps.filter((row) => row.name !== '[stack]' && row.name !== '[vsyscall]' && row.end < stack.start);
  const heap = maps.find((row) => row.name === '[heap]');
  return {
    rows: rows.map((row) => execRow(row, rows.find(({ name }) => name === row.name) ?? row, sources)),
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

/** Of the segment that the row lies in: the loader takes writing away later, and the trace shows it. @param first the file's first row */
function segmentProt(row: RecordedRow, first: RecordedRow, segments: readonly ElfSegment[] | undefined): number | null {
  if (segments?.[0] === undefined) return null;
  const vaddr = row.start - first.start + pageFloor(segments[0].vaddr);
  const segment = segments.find((s) => pageFloor(s.vaddr) <= vaddr && vaddr < s.vaddr + s.memsz);
  return segment === undefined ? null : (segment.flags & 2) | ((segment.flags & 4) >> 2) | ((segment.flags & 1) << 2);
}

function pageFloor(vaddr: number): number {
  return vaddr - (vaddr % PAGE_SIZE);
}

function execRow(
  row: RecordedRow, first: RecordedRow, sources: { elf: ReadonlyMap<string, readonly ElfSegment[]>; fileOf(row: MappedFile): File },
): ExecRow {
  const isFile = row.inode !== 0;
  const kind = row.name === '[stack]' ? 'stack' : row.name === '[vdso]' ? 'vdso' : row.name.startsWith('[v') ? 'vvar' : isFile ? 'file' : 'bss';
  const known = isFile ? segmentProt(row, first, sources.elf.get(row.name)) : null;
  const prot = known ?? ((row.perms[0] === 'r' ? 1 : 0) | (row.perms[1] === 'w' ? 2 : 0) | (row.perms[2] === 'x' ? 4 : 0));
  return {
    kind, start: row.start as Vaddr, end: row.end as Vaddr, prot, file: isFile ? sources.fileOf(row) : (0 as File),
    pgoff: isFile ? row.offset / PAGE_SIZE : kind === 'stack' ? row.start / PAGE_SIZE : 0, name: kind === 'vdso' || kind === 'vvar' ? row.name : '',
  };
}
