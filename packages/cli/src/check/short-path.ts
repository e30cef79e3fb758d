import { relative, resolve } from 'node:path';

/** From where the reader stands, unless it lies elsewhere. */
export function shortPath(file: string): string {
  const near = relative(process.cwd(), resolve(file));
  return near.startsWith('..') ? resolve(file) : near;
}
