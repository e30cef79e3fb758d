import { PAGE_SIZE } from '@mmun/include';
import type { ExecLayout, ExecRow, File, Vaddr } from '@mmun/include';
import type { ElfSegment } from '../elf.js';
import type { ExecEffect } from '../effect.js';
import type { MmapEvent } from '../perf-event.js';
import type { ProcStat } from '../stat.js';

/** Programs stand below, what mmap placed stands above. */
const MMAP_REGION = 0x700000000000;

/** What an exec's layout is made from besides its rows. */
export interface ExecSources {
  readonly elf: ReadonlyMap<string, readonly ElfSegment[]>;
  /** The process' stat at its end; it fits the last exec only. */
  readonly stat: ProcStat | null;
  /** An open file for a row that maps one. */
  fileOf(row: MmapEvent): File;
}

/**
 * The layout that execve chose, read off its MMAP2 rows. fs/binfmt_elf.c: the
 * first segment of a file is shown with the whole image's length, of which the
 * kernel keeps the segment's own; everything else is shown as it stands.
 *
 * @returns null where the rows hold no stack: they are not an exec's
 */
export function execLayout(exec: ExecEffect, sources: ExecSources): ExecLayout | null {
  const stack = exec.rows.find((row) => row.name === '[stack]');
  if (stack === undefined) return null;
  // A stack whose protection is changed (PT_GNU_STACK with X) is shown once more, nameless, where it was born. setup_arg_pages()
  const rows = exec.rows.slice(exec.rows.indexOf(stack));
  const stackEnd = stack.startVaddr + stack.lenBytes;
  const { stat } = sources;
  const fits = stat !== null && stat.startStack >= stack.startVaddr && stat.startStack < stackEnd;
  const program = rows.find((row) => isFile(row))?.name ?? '';
  return {
    rows: rows.map((row, index) => execRow(row, rows.slice(0, index), rows, sources)),
    mmapBase: mmapBase(rows, program) as Vaddr,
    startBrk: (fits && stat.startBrk > 0 ? stat.startBrk : exec.firstBrk ?? programEnd(rows, program)) as Vaddr,
    startStack: (fits ? stat.startStack : stackEnd - PAGE_SIZE) as Vaddr,
    argStart: (fits && stat.argStart > 0 ? stat.argStart : stackEnd - PAGE_SIZE) as Vaddr,
  };
}

function execRow(row: MmapEvent, before: readonly MmapEvent[], rows: readonly MmapEvent[], sources: ExecSources): ExecRow {
  const isFirst = isFile(row) && !before.some(({ name }) => name === row.name);
  const lenBytes = isFirst ? firstSegmentBytes(row, rows, sources.elf) : row.lenBytes;
  const kind = rowKind(row);
  return {
    kind, start: row.startVaddr as Vaddr, end: (row.startVaddr + lenBytes) as Vaddr, prot: row.prot,
    file: kind === 'file' ? sources.fileOf(row) : (0 as File),
    // The stack's too: it was born at the top of the address space and moved, and can grow no further than this.
    pgoff: kind === 'file' || kind === 'stack' ? row.offsetBytes / PAGE_SIZE : 0,
    name: kind === 'vdso' || kind === 'vvar' ? row.name : '',
  };
}

function rowKind(row: MmapEvent): ExecRow['kind'] {
  if (row.name === '[stack]') return 'stack';
  if (row.name === '[vdso]') return 'vdso';
  if (row.name.startsWith('[v')) return 'vvar';
  return isFile(row) ? 'file' : 'bss';
}

function isFile(row: MmapEvent): boolean {
  return row.name !== '//anon' && !row.name.startsWith('[');
}

/** Page-rounded length of the first PT_LOAD; without `elf`, up to where the file's next segment starts. */
function firstSegmentBytes(row: MmapEvent, rows: readonly MmapEvent[], elf: ReadonlyMap<string, readonly ElfSegment[]>): number {
  const segment = elf.get(row.name)?.[0];
  if (segment !== undefined) {
    const bytes = Math.ceil((segment.filesz + (segment.vaddr % PAGE_SIZE)) / PAGE_SIZE) * PAGE_SIZE;
    return Math.min(bytes, row.lenBytes);
  }
  const next = rows.filter((other) => other.name === row.name && other.startVaddr > row.startVaddr).map((other) => other.startVaddr);
  return Math.min(row.lenBytes, ...next.map((start) => start - row.startVaddr));
}

/** The highest end among what mmap placed: interpreter, vdso, vvar, and a loader that was run as a program. */
function mmapBase(rows: readonly MmapEvent[], program: string): number {
  let base = 0;
  for (const row of rows) {
    if (row.name === '[stack]' || row.name === '//anon') continue;
    if (row.name === program && row.startVaddr < MMAP_REGION) continue;
    base = Math.max(base, row.startVaddr + row.lenBytes);
  }
  return base;
}

/** The end of the program's image: where the heap begins when nothing says otherwise. */
function programEnd(rows: readonly MmapEvent[], program: string): number {
  let end = 0;
  for (const row of rows) {
    if (row.startVaddr < MMAP_REGION && (row.name === program || row.name === '//anon')) end = Math.max(end, row.startVaddr + row.lenBytes);
  }
  return end;
}
