/** Writes a page to where the command line says. */
import { writeFileSync } from 'node:fs';
import { renderPage } from '@mmun/viewer';
import type { PageData } from '@mmun/viewer';
import { UsageError } from '../usage-error.js';

/** @throws UsageError where the file cannot be written */
export function writePage(path: string, data: PageData): void {
  try {
    writeFileSync(path, renderPage(data));
  } catch (error) {
    throw new UsageError(`--report ${path}: cannot be written: ${(error as NodeJS.ErrnoException).code ?? String(error)}`);
  }
}
