/** One thing that a reader left aside, and where it stands. Part of the JSON contract (`skipped`). */
export interface Skipped {
  /** Name of the file as it stands in the recording's folder. */
  readonly file: string;
  /** 1-based; 0 where the whole file is meant. */
  readonly line: number;
  /** What was expected, or what the model does not do. Lower case, one line. */
  readonly reason: string;
}

/**
 * A recording that cannot be replayed at all: a missing, empty or unrecognisable
 * trace. The message is one line that names file, line and what was expected.
 */
export class RecordingError extends Error {
  readonly file: string;
  readonly line: number;
  readonly expected: string;

  constructor(file: string, line: number, expected: string) {
    super(line > 0 ? `${file}:${line}: ${expected}` : `${file}: ${expected}`);
    this.name = 'RecordingError';
    this.file = file;
    this.line = line;
    this.expected = expected;
  }
}

/** How many entries one file may add; a file of garbage has a million bad lines and one cause. */
const MAX_SKIPPED_PER_FILE = 200;

/** Collects what was left aside, bounded per file; beyond the bound only a count is kept. */
export class SkippedList {
  readonly #entries: Skipped[] = [];
  readonly #perFile: Map<string, { seen: number; lastLine: number }> = new Map();
  readonly #once: Set<string> = new Set();

  add(file: string, line: number, reason: string): void {
    const count = this.#perFile.get(file) ?? { seen: 0, lastLine: 0 };
    this.#perFile.set(file, count);
    count.seen++;
    count.lastLine = line;
    if (count.seen <= MAX_SKIPPED_PER_FILE) this.#entries.push({ file, line, reason });
  }

  /** As `add`, but the same reason of the same file is listed at its first line only. */
  addOnce(file: string, line: number, reason: string): void {
    const key = `${file}\0${reason}`;
    if (this.#once.has(key)) return;
    this.#once.add(key);
    this.add(file, line, reason);
  }

  /** All entries so far; a file beyond the bound ends in one entry that says how many more there are. */
  entries(): Skipped[] {
    const all = [...this.#entries];
    for (const [file, { seen, lastLine }] of this.#perFile) {
      const hidden = seen - MAX_SKIPPED_PER_FILE;
      if (hidden > 0) all.push({ file, line: lastLine, reason: `${hidden} more like these, up to this line` });
    }
    return all;
  }
}
