/** Pieces of strace's notation that are read as text, because they are rare: strings, fd paths, flag names, structures. */
import { symbolValue } from './symbols.js';

const QUOTE = 34;
const BACKSLASH = 92;
const LESS = 60;
const GREATER = 62;

/** Position behind the string that starts (with its quote) at `pos`; `end` where the line stops inside it. */
export function skipString(buf: Uint8Array, pos: number, end: number): number {
  for (let i = pos + 1; i < end; i++) {
    if (buf[i] === BACKSLASH) i++;
    else if (buf[i] === QUOTE) return i + 1;
  }
  return end;
}

/**
 * Position of the `>` that closes an fd's path opened at `pos` (a `<`). A path may
 * hold `>` itself: the closing one is followed by what can follow an argument.
 */
export function findPathEnd(buf: Uint8Array, pos: number, end: number): number {
  for (let i = pos + 1; i < end; i++) {
    if (buf[i] !== GREATER) continue;
    const next = i + 1 < end ? buf[i + 1] : -1;
    // end of line, `,`, `)`, `(deleted)`, blank before `<unfinished`, `(INJECTED)` or `=>`, `]`, `}`
    if (next === -1 || next === 44 || next === 41 || next === 40 || next === 93 || next === 125) return i;
    if (next === 32 && (i + 2 >= end || buf[i + 2] === 60 || buf[i + 2] === 40 || buf[i + 2] === 61)) return i;
  }
  return -1;
}

/** Position behind the bracket that closes the one at `pos`, strings and fd paths read over; `end` if none does. */
export function skipBrackets(buf: Uint8Array, pos: number, end: number): number {
  let depth = 0;
  let i = pos;
  while (i < end) {
    const byte = buf[i];
    if (byte === QUOTE) {
      i = skipString(buf, i, end);
      continue;
    }
    if (byte === LESS && i > pos && buf[i - 1] >= 48 && buf[i - 1] <= 57) {
      const close = findPathEnd(buf, i, end);
      if (close > 0) i = close;
    } else if (byte === 123 || byte === 91 || byte === 40) depth++;
    else if (byte === 125 || byte === 93 || byte === 41) {
      depth--;
      if (depth === 0) return i + 1;
    }
    i++;
  }
  return end;
}

const ESCAPE_OF: Readonly<Record<string, string>> = {
  n: '\n', t: '\t', r: '\r', v: '\v', f: '\f', a: '\u0007', b: '\b', e: '\u001b', '"': '"', "'": "'", '\\': '\\',
};

/** A string or path with strace's escapes (`\n`, `\303`, `\xc3`) resolved to the bytes they stand for, read as UTF-8. */
export function unescapeText(text: string): string {
  if (!text.includes('\\')) return text;
  const bytes: number[] = [];
  const pattern = /\\x([0-9a-fA-F]{2})|\\([0-7]{1,3})|\\(.)|([^\\]+)|(\\)$/gsy;
  for (const match of text.matchAll(pattern)) {
    if (match[1] !== undefined) bytes.push(parseInt(match[1], 16));
    else if (match[2] !== undefined) bytes.push(parseInt(match[2], 8) & 255);
    else if (match[3] !== undefined) bytes.push(...Buffer.from(ESCAPE_OF[match[3]] ?? match[3], 'utf8'));
    else bytes.push(...Buffer.from(match[4] ?? '\\', 'utf8'));
  }
  return Buffer.from(bytes).toString('utf8');
}

/** A flag expression: numbers and names joined by `|`, products `8192*1024`. NaN where a part is unknown. */
export function flagsValue(text: string): number {
  let sum = 0;
  for (const part of text.split('|')) {
    let product = 1;
    for (const factor of part.split('*')) product *= termValue(factor.trim());
    // Not a bitwise or: values above 2^31 occur, and no two parts share a bit.
    sum += product;
  }
  return sum;
}

function termValue(term: string): number {
  const shift = /^(\d+)<<(\d+)$/.exec(term);
  if (shift !== null) return Number(shift[1]) * 2 ** Number(shift[2]);
  if (/^-?\d+$|^0x[0-9a-fA-F]+$/.test(term)) return Number(term);
  return symbolValue(term);
}

/** Value of `key=` in a structure's text; NaN where the key is missing. */
export function fieldValue(struct: string, key: string): number {
  const match = new RegExp(`\\b${key}=([^,}]+)`).exec(struct);
  return match === null ? NaN : flagsValue(match[1].replace(/\/\*.*?\*\//g, '').trim());
}

/** 2^64-1 is how strace prints "no limit" raw. */
export function limitValue(value: number): number {
  return value >= 2 ** 64 ? Infinity : value;
}
