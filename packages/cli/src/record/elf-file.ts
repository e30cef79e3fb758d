/** PT_LOAD segments of a 64-bit little-endian program. */
import { closeSync, openSync, readSync } from 'node:fs';

const PT_LOAD = 1;
const HEADER_BYTES = 64;

/** `PATH VADDR OFFSET FILESZ MEMSZ FLAGS ALIGN`, hexadecimal, one line a segment; none where the file is no such program. */
export function elfLines(path: string): string[] {
  let fd: number;
  try {
    fd = openSync(path, 'r');
  } catch {
    return [];
  }
  try {
    const header = readAt(fd, 0, HEADER_BYTES);
    if (header.length < HEADER_BYTES || header.readUInt32BE(0) !== 0x7f454c46 || header[4] !== 2 || header[5] !== 1) return [];
    const entryBytes = header.readUInt16LE(54);
    const table = readAt(fd, Number(header.readBigUInt64LE(32)), entryBytes * header.readUInt16LE(56));
    const lines: string[] = [];
    for (let at = 0; at + 56 <= table.length; at += entryBytes) {
      if (table.readUInt32LE(at) !== PT_LOAD) continue;
      const word = (offset: number): string => table.readBigUInt64LE(at + offset).toString(16);
      lines.push([path, word(16), word(8), word(32), word(40), table.readUInt32LE(at + 4).toString(16), word(48)].join(' '));
    }
    return lines;
  } finally {
    closeSync(fd);
  }
}

function readAt(fd: number, position: number, lenBytes: number): Buffer {
  const buffer = Buffer.alloc(lenBytes);
  return buffer.subarray(0, readSync(fd, buffer, 0, lenBytes, position));
}
