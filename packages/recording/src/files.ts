import { eachLine } from './text-file.js';
import type { ParseContext } from './text-file.js';

/** One line of `files`: a mapped file at the end of the recording. */
export interface RecordedFile {
  readonly device: string;
  readonly inode: number;
  /** Bytes. */
  readonly size: number;
  readonly path: string;
}

const LINE = /^([0-9a-f]{2,}:[0-9a-f]{2,}) (\d+) (\d+) (.+)$/;

/** `MAJ:MIN INODE SIZE PATH` of each line, by `fileKey`. */
export function parseFiles(text: string, context: ParseContext): Map<string, RecordedFile> {
  const files = new Map<string, RecordedFile>();
  eachLine(text, (line, number) => {
    const match = LINE.exec(line);
    if (match === null) {
      context.skip(number, 'expected `MAJ:MIN INODE SIZE PATH`');
      return;
    }
    const file = { device: match[1], inode: Number(match[2]), size: Number(match[3]), path: match[4] };
    files.set(fileKey(file.device, file.inode), file);
  });
  return files;
}

/** Device and inode tell files apart; paths do not. */
export function fileKey(device: string, inode: number): string {
  return `${device} ${inode}`;
}
