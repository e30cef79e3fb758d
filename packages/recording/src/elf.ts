import { eachLine } from './text-file.js';
import type { ParseContext } from './text-file.js';

/** One PT_LOAD of a program or interpreter. All in bytes. */
export interface ElfSegment {
  readonly vaddr: number;
  readonly offset: number;
  readonly filesz: number;
  readonly memsz: number;
  /** PF_X 1, PF_W 2, PF_R 4. */
  readonly flags: number;
  readonly align: number;
}

const LINE = /^(.+) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+) ([0-9a-f]+)$/;

/** `PATH VADDR OFFSET FILESZ MEMSZ FLAGS ALIGN` (hexadecimal) of each line: the segments of each path in file order. */
export function parseElf(text: string, context: ParseContext): Map<string, ElfSegment[]> {
  const segments = new Map<string, ElfSegment[]>();
  eachLine(text, (line, number) => {
    const match = LINE.exec(line);
    if (match === null) {
      context.skip(number, 'expected `PATH VADDR OFFSET FILESZ MEMSZ FLAGS ALIGN` in hexadecimal');
      return;
    }
    const [vaddr, offset, filesz, memsz, flags, align] = match.slice(2).map((field) => parseInt(field, 16));
    const list = segments.get(match[1]) ?? [];
    list.push({ vaddr, offset, filesz, memsz, flags, align });
    segments.set(match[1], list);
  });
  return segments;
}
