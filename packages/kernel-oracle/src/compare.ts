/** Two observations of one operation: the first thing in which they differ, in words. */
import { PAGE_SIZE } from '@mmun/include';
import { EXCLUSIVE, IS_ZERO, OF_FILE, PRESENT, ROW_WORDS } from './observation.js';
import type { Observation, SmapsRow } from './observation.js';
import type { Zone } from './zones.js';

export interface Disagreement {
  /** `result`, `maps`, `pages`, `contents`, `sharing`, `mincore`, `smaps` */
  readonly what: string;
  readonly model: string;
  readonly kernel: string;
}

/** Of smaps, what the model does not claim: mergeable, stack of user pages, soft dirty, uffd. */
const FLAGS_LEFT_ASIDE: ReadonlySet<string> = new Set(['mg', 'sf', 'um', 'uw', 'sd', 'ui', 'ss']);

export interface Tolerances {
  /** Reclaim was asked for pages of files: whether they stay depends on the disk. */
  readonly isReclaimed: boolean;
  /** Then pages of nobody's file may go too. */
  readonly hasSwap: boolean;
  /** Frames can be told, and which is the zero page. */
  readonly knowsFrames: boolean;
}

export function compare(model: Observation, kernel: Observation, zones: readonly Zone[], tolerances: Tolerances): Disagreement | null {
  if (model.result !== kernel.result) return { what: 'result', model: resultText(model.result), kernel: resultText(kernel.result) };
  return compareRows(model, kernel) ?? comparePages(model, kernel, zones, tolerances) ?? (tolerances.isReclaimed ? null : compareVec(model, kernel)) ?? compareSmaps(model.smaps, kernel.smaps, tolerances);
}

function compareRows(model: Observation, kernel: Observation): Disagreement | null {
  let isEqual = model.nrRows === kernel.nrRows;
  const words = model.nrRows * ROW_WORDS;
  for (let i = 0; isEqual && i < words; i++) isEqual = model.rows[i] === kernel.rows[i];
  return isEqual ? null : { what: 'maps', ...differingLines(rowLines(model), rowLines(kernel)) };
}

function comparePages(model: Observation, kernel: Observation, zones: readonly Zone[], { isReclaimed, hasSwap, knowsFrames }: Tolerances): Disagreement | null {
  for (let page = 0; page < model.pages.length; page++) {
    let ours = model.pages[page];
    const theirs = kernel.pages[page];
    if (!knowsFrames) ours &= ~IS_ZERO;
    if (ours !== theirs) {
      if (isReclaimed && (hasSwap || (ours & OF_FILE) !== 0) && (theirs & PRESENT) === 0) continue;
      // A page that went is read again, and its neighbours come along.
      if (isReclaimed && ours === 0 && (theirs & OF_FILE) !== 0) continue;
      if (isReclaimed && ((ours ^ theirs) & ~EXCLUSIVE) === 0) continue;
      return { what: 'pages', ...atPage(zones, page, pageText(ours), pageText(theirs)) };
    }
    if (theirs !== 0 && kernel.words[page] >= 0 && model.words[page] !== kernel.words[page]) {
      return { what: 'contents', ...atPage(zones, page, String(model.words[page]), String(kernel.words[page])) };
    }
  }
  return knowsFrames ? compareSharing(model, kernel, zones) : null;
}

/** Two addresses share a frame on one side only. The zero page apart, pages have been found alike before. */
function compareSharing(model: Observation, kernel: Observation, zones: readonly Zone[]): Disagreement | null {
  const { pages } = kernel;
  for (let page = 0; page < pages.length; page++) {
    if ((pages[page] & (PRESENT | EXCLUSIVE | IS_ZERO)) !== PRESENT) continue;
    for (let other = 0; other < page; other++) {
      if (model.pages[other] === 0 || pages[other] === 0) continue;
      const isOne = model.frames[page] === model.frames[other];
      if (isOne === (kernel.frames[page] === kernel.frames[other])) continue;
      const text = `the frame of ${addressText(zones, other)}`;
      return { what: 'sharing', ...atPage(zones, page, isOne ? text : 'another frame', isOne ? 'another frame' : text) };
    }
  }
  return null;
}

function compareVec(model: Observation, kernel: Observation): Disagreement | null {
  for (let i = 0; i < kernel.vec.length; i++) {
    if ((model.vec[i] & 1) !== (kernel.vec[i] & 1)) return { what: 'mincore', model: `page ${i}: ${model.vec[i] & 1}`, kernel: `page ${i}: ${kernel.vec[i] & 1}` };
  }
  return null;
}

function compareSmaps(model: readonly SmapsRow[] | null, kernel: readonly SmapsRow[] | null, { isReclaimed }: Tolerances): Disagreement | null {
  if (model === null || kernel === null) return null;
  for (let i = 0; i < kernel.length; i++) {
    const ours = smapsText(model[i], isReclaimed);
    const theirs = smapsText(kernel[i], isReclaimed);
    if (ours !== theirs) return { what: 'smaps', model: ours, kernel: theirs };
  }
  return null;
}

function smapsText(row: SmapsRow | undefined, isReclaimed: boolean): string {
  if (row === undefined) return 'no such row';
  const flags = row.flags.split(' ').filter((flag) => flag !== '' && !FLAGS_LEFT_ASIDE.has(flag)).sort().join(' ');
  return `${hex(row.start)}: anonymous ${row.anonymous}${isReclaimed ? '' : `, rss ${row.rss}`}, ${flags}`;
}

/** Lines that the other side lacks; all of them where only the order differs. */
function differingLines(model: readonly string[], kernel: readonly string[]): { model: string; kernel: string } {
  const ours = model.filter((line) => !kernel.includes(line));
  const theirs = kernel.filter((line) => !model.includes(line));
  return { model: ours.join('; ') || 'nothing there', kernel: theirs.join('; ') || 'nothing there' };
}

function rowLines({ rows, nrRows }: Observation): string[] {
  return Array.from({ length: nrRows }, (_, i) => {
    const [start, end, access, offset, file] = rows.subarray(i * ROW_WORDS, (i + 1) * ROW_WORDS);
    const perms = `${(access & 1) === 0 ? '-' : 'r'}${(access & 2) === 0 ? '-' : 'w'}${(access & 4) === 0 ? '-' : 'x'}${(access & 8) === 0 ? 'p' : 's'}`;
    return `${start.toString(16)}-${end.toString(16)} ${perms} ${offset.toString(16)}${file === 0 ? '' : ` inode ${file === 1 ? 'of zero' : file}`}`;
  });
}

function pageText(page: number): string {
  if ((page & PRESENT) === 0) return 'not present';
  if ((page & IS_ZERO) !== 0) return 'zero page';
  return `${(page & OF_FILE) === 0 ? 'anonymous' : 'of a file'}, ${(page & EXCLUSIVE) === 0 ? 'mapped more than once' : 'mapped once'}`;
}

function atPage(zones: readonly Zone[], page: number, model: string, kernel: string): { model: string; kernel: string } {
  const at = addressText(zones, page);
  return { model: `${at}: ${model}`, kernel: `${at}: ${kernel}` };
}

function addressText(zones: readonly Zone[], page: number): string {
  let rest = page;
  for (const { start, nrPages } of zones) {
    if (rest < nrPages) return hex(start + rest * PAGE_SIZE);
    rest -= nrPages;
  }
  return '?';
}

function resultText(result: number): string {
  return result < 0 ? (ERRNO_NAMES.get(-result) ?? String(result)) : result < 32 ? String(result) : hex(result);
}

function hex(value: number): string {
  return `0x${value.toString(16)}`;
}

const ERRNO_NAMES: ReadonlyMap<number, string> = new Map([
  [1, 'EPERM'], [4, 'EINTR'], [9, 'EBADF'], [11, 'EAGAIN'], [12, 'ENOMEM'], [13, 'EACCES'], [14, 'EFAULT'], [16, 'EBUSY'], [17, 'EEXIST'], [22, 'EINVAL'],
  [75, 'EOVERFLOW'], [95, 'EOPNOTSUPP'], [133, 'EHWPOISON'],
].map(([number, name]) => [Number(number), `-${name}`]));
