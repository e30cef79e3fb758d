/** What somebody may have meant who typed a name that is none; in commander's words, which says it of commands and options. */

import { readdirSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import damerauLevenshtein from 'damerau-levenshtein';

/** So many at most. */
const MOST = 3;

/** ` (Did you mean munmap-read?)`, or nothing where no name is near. */
export function didYouMean(typed: string, names: readonly string[]): string {
  return worded(nearest(typed, names));
}

function worded(found: readonly string[]): string {
  if (found.length === 0) return '';
  return found.length === 1 ? ` (Did you mean ${found[0]}?)` : ` (Did you mean one of ${found.join(', ')}?)`;
}

/** The same of a path that is not there: what stands beside it. @param others paths that are known from elsewhere */
export function didYouMeanPath(path: string, others: readonly string[] = []): string {
  const folder = dirname(path);
  const isOf = (other: string): boolean => dirname(other) === folder;
  const near = nearest(basename(path), [...new Set([...namesIn(folder), ...others.filter(isOf).map((other) => basename(other))])]).map((name) => join(folder, name));
  return worded(near.length > 0 ? near : nearest(path, others));
}

function namesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function nearest(typed: string, names: readonly string[]): readonly string[] {
  const text = typed.toLowerCase().replaceAll('_', '-');
  const parts = text.length > 3 ? names.filter((name) => name.toLowerCase().includes(text)) : [];
  if (parts.length > 0) return parts.slice(0, MOST);
  const scored = names.map((name) => ({ name, edits: damerauLevenshtein(text, name.toLowerCase()).steps })).filter(({ name, edits: n }) => n <= Math.max(1, Math.floor(Math.max(text.length, name.length) * 0.4)));
  const least = Math.min(...scored.map(({ edits: n }) => n));
  return scored.filter(({ edits: n }) => n === least).map(({ name }) => name).slice(0, MOST);
}
