import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The whole of a small file of the recording; null where there is none or it cannot be read. */
export function readTextFile(folder: string, name: string): string | null {
  try {
    return readFileSync(join(folder, name), 'utf8');
  } catch {
    return null;
  }
}

/** Where a parser reports what it left aside. */
export interface ParseContext {
  readonly file: string;
  skip(line: number, reason: string): void;
}

/** Calls `visit` with each line that is not empty and its 1-based number. */
export function eachLine(text: string, visit: (line: string, number: number) => void): void {
  let start = 0;
  let number = 0;
  while (start < text.length) {
    let end = text.indexOf('\n', start);
    if (end < 0) end = text.length;
    number++;
    if (end > start) visit(text.slice(start, end), number);
    start = end + 1;
  }
}
