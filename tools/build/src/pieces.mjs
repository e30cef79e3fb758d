// Text made of pieces of another text, with a source map that is kept.
import { decodeMappings, encodeMappings } from './mappings.mjs';

/** @typedef {{ offset: number, source: readonly number[] }} Mark */
/** @typedef {string | readonly [start: number, end: number]} Piece new text, or a part of the old one */

export class Pieces {
  /** @param {string} code @param {string} map JSON */
  constructor(code, map) {
    this.code = code;
    this.map = JSON.parse(map);
  }

  /** @param {readonly Piece[]} pieces @returns {{ code: string, map: string }} */
  write(pieces) {
    const marks = this.marks();
    const writer = new Writer();
    for (const piece of joined(pieces)) {
      if (typeof piece === 'string') writer.add(piece);
      else this.copy(piece, marks, writer);
    }
    return { code: writer.code, map: JSON.stringify({ ...this.map, mappings: encodeMappings(writer.lines) }) };
  }

  /** @param {readonly [number, number]} piece @param {readonly Mark[]} marks @param {Writer} writer */
  copy([start, end], marks, writer) {
    let i = firstFrom(marks, start);
    let at = start;
    // what stands before a mark belongs to the mark before
    const before = marks[i - 1];
    if (before && marks[i]?.offset !== start && start < end) writer.mark(before.source);
    for (; i < marks.length && /** @type {Mark} */ (marks[i]).offset < end; i++) {
      const { offset, source } = /** @type {Mark} */ (marks[i]);
      writer.add(this.code.slice(at, offset));
      writer.mark(source);
      at = offset;
    }
    writer.add(this.code.slice(at, end));
  }

  /** @returns {Mark[]} in the order of the text */
  marks() {
    /** @type {Mark[]} */
    const marks = [];
    let lineStart = 0;
    for (const line of decodeMappings(this.map.mappings)) {
      for (const [column, ...source] of line) if (source.length > 0) marks.push({ offset: lineStart + column, source });
      lineStart = this.code.indexOf('\n', lineStart) + 1;
    }
    return marks;
  }
}

class Writer {
  /** @type {string[]} */
  #parts = [];
  #column = 0;
  /** @type {number[][][]} */
  lines = [[]];

  get code() {
    return this.#parts.join('');
  }

  /** @param {string} text */
  add(text) {
    this.#parts.push(text);
    const last = text.lastIndexOf('\n');
    if (last < 0) {
      this.#column += text.length;
      return;
    }
    for (const char of text) if (char === '\n') this.lines.push([]);
    this.#column = text.length - last - 1;
  }

  /** @param {readonly number[]} source */
  mark(source) {
    this.lines.at(-1)?.push([this.#column, ...source]);
  }
}

/** @param {readonly Piece[]} pieces @returns {Piece[]} neighbours of the old text made one */
function joined(pieces) {
  /** @type {Piece[]} */
  const out = [];
  for (const piece of pieces) {
    const last = out.at(-1);
    if (typeof piece !== 'string' && piece[0] === piece[1]) continue;
    if (typeof piece !== 'string' && last !== undefined && typeof last !== 'string' && last[1] === piece[0]) out[out.length - 1] = [last[0], piece[1]];
    else out.push(piece);
  }
  return out;
}

/** @param {readonly { offset: number }[]} marks @param {number} offset @returns {number} index of the first mark from there on */
function firstFrom(marks, offset) {
  let low = 0;
  let high = marks.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (/** @type {{ offset: number }} */ (marks[middle]).offset < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
