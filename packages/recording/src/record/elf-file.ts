import { readFileSync } from 'node:fs';

const PT_LOAD = 1;
const HEADER_BYTES = 64;

/** `PATH VADDR OFFSET FILESZ MEMSZ FLAGS ALIGN` (hexadecimal) of each PT_LOAD of a 64-bit little-endian ELF file; empty for any other. */
export function programSegments(path: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch {
    return '';
  }
  if (bytes.length < HEADER_BYTES || bytes.readUInt32BE(0) !== 0x7f454c46 || bytes[4] !== 2 || bytes[5] !== 1) return '';
  const phoff = Number(bytes.readBigUInt64LE(32));
  const entryBytes = bytes.readUInt16LE(54);
  const nrEntries = bytes.readUInt16LE(56);
  let text = '';
  for (let i = 0; i < nrEntries; i++) {
    const at = phoff + i * entryBytes;
    if (at + 56 > bytes.length || bytes.readUInt32LE(at) !== PT_LOAD) continue;
    const field = (offset: number): string => bytes.readBigUInt64LE(at + offset).toString(16);
    text += `${path} ${field(16)} ${field(8)} ${field(32)} ${field(40)} ${bytes.readUInt32LE(at + 4).toString(16)} ${field(48)}\n`;
  }
  return text;
}
