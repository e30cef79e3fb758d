/** Writes a page, or a trace, to where the command line says. */
import { accessSync, constants, existsSync, statSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { renderPage } from '@mmun/viewer';
import type { PageData } from '@mmun/viewer';
import { fileErrorWord, isFileError, UsageError } from '../usage-error.js';

/** @throws UsageError where the file cannot be written */
export function writePage(path: string, data: PageData): void {
  writeOut('--report', path, renderPage(data));
}

/** @param flag that named the file @throws UsageError where it cannot be written */
export function writeOut(flag: string, path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new UsageError(`${flag} ${path}: cannot be written: ${isFileError(error) ? fileErrorWord(error) : String(error)}`);
  }
}

/** Before the work whose result goes there: hours later is too late to hear of it. @throws UsageError where nothing can be written at `path` */
export function mustBeWritable(flag: string, path: string | undefined): void {
  if (path === undefined) return;
  try {
    if (existsSync(path)) accessSync(path, constants.W_OK);
    else accessSync(dirname(resolve(path)), constants.W_OK);
    if (existsSync(path) && statSync(path).isDirectory()) throw new UsageError(`${flag} ${path}: cannot be written: is a directory`);
  } catch (error) {
    throw error instanceof UsageError ? error : new UsageError(`${flag} ${path}: cannot be written: ${isFileError(error) ? fileErrorWord(error) : String(error)}`);
  }
}
