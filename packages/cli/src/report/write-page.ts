/** Writes a page, or a trace, to where the command line says. */
import { writeFileSync } from 'node:fs';
import { renderPage } from '@mmun/viewer';
import type { PageData } from '@mmun/viewer';
import { UsageError } from '../usage-error.js';

/** @throws UsageError where the file cannot be written */
export function writePage(path: string, data: PageData): void {
  writeOut('--report', path, renderPage(data));
}

/** @param flag that named the file @throws UsageError where it cannot be written */
export function writeOut(flag: string, path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new UsageError(`${flag} ${path}: cannot be written: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
  }
}
