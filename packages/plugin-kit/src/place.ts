/** Where in a plugin's own source something was done, from a stack. */
import { isAbsolute, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The model and its tools: what is left of a stack without them is the plugin. */
const OURS = /[\\/](?:@mmun|packages)[\\/](?:arch-\w+|cli|explorer|image|include|lib|locking|mm|mmu-notifier|oracle|plugin-kit|races)[\\/](?:src|dist)[\\/]|^node:|[\\/]node_modules[\\/](?!@mmun[\\/])/;
const FRAME = /^\s*at (?:.+? \()?(.+?):(\d+):\d+\)?$/;

/** @returns `driver.ts:31`, as seen from the working directory; empty where the stack holds nothing of the plugin */
export function placeIn(stack: string | undefined): string {
  for (const row of (stack ?? '').split('\n').slice(1)) {
    const [, file, line] = FRAME.exec(row) ?? [];
    if (file === undefined || line === undefined || OURS.test(file)) continue;
    return `${shown(file)}:${line}`;
  }
  return '';
}

/** A path as the reader would type it. */
export function shown(file: string): string {
  const path = file.startsWith('file:') ? fileURLToPath(file) : file;
  if (!isAbsolute(path)) return path;
  const near = relative(process.cwd(), path);
  return near.startsWith('..') ? path : near;
}

/** `message (driver.ts:31)`; the message alone where no place is known, or it names one already. */
export function withPlace(message: string, place: string): string {
  return place === '' || / \([^()\s]+:\d+\)$/.test(message) ? message : `${message} (${place})`;
}
