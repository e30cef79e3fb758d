/** Aligned columns for a terminal. Widths are counted without colour. */

export interface Column {
  readonly title: string;
  readonly align: 'left' | 'right';
  /** The column gives way where the table is too wide; what does not fit ends in an ellipsis. */
  readonly shrinks?: boolean;
}

export interface Cell {
  readonly text: string;
  readonly paint?: (text: string) => string;
}

const GAP = '  ';
const MIN_SHRUNK = 6;

/** Header and rows as lines without trailing blanks. */
export function textTable(columns: readonly Column[], rows: readonly (readonly Cell[])[], options: { width: number; title: (text: string) => string }): string[] {
  const widths = columns.map(({ title }, i) => Math.max(title.length, ...rows.map((row) => row[i].text.length)));
  const total = widths.reduce((sum, width) => sum + width + GAP.length, 0);
  const shrinking = columns.findIndex(({ shrinks }) => shrinks);
  if (shrinking >= 0 && total > options.width) widths[shrinking] = Math.max(MIN_SHRUNK, widths[shrinking] - (total - options.width));
  const line = (cells: readonly Cell[]): string => (GAP + cells.map((cell, i) => fit(cell, widths[i], columns[i].align)).join(GAP)).trimEnd();
  return [line(columns.map(({ title }) => ({ text: title, paint: options.title }))), ...rows.map(line)];
}

function fit({ text, paint }: Cell, width: number, align: Column['align']): string {
  const short = ellipsis(text, width);
  const blanks = ' '.repeat(width - short.length);
  const painted = paint === undefined ? short : paint(short);
  return align === 'left' ? painted + blanks : blanks + painted;
}

export function ellipsis(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

/** Two blocks side by side. `left` is padded to `width` without counting colour. */
export function beside(left: readonly Cell[], right: readonly string[], width: number): string[] {
  return Array.from({ length: Math.max(left.length, right.length) }, (_, i) => {
    const cell = left[i] ?? { text: '' };
    return (fit(cell, Math.max(width, cell.text.length), 'left') + (right[i] ?? '')).trimEnd();
  });
}

/** Cuts a text into lines of at most `width` columns, at blanks where there are any. */
export function wrap(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    let rest = word;
    if (line !== '' && line.length + 1 + rest.length > width) {
      lines.push(line);
      line = '';
    }
    for (; rest.length > width; rest = rest.slice(width)) lines.push(rest.slice(0, width));
    line = line === '' ? rest : `${line} ${rest}`;
  }
  if (line !== '') lines.push(line);
  return lines;
}

/** `12,345` */
export function grouped(value: number): string {
  return value.toLocaleString('en-US');
}

/** `3 processes`, `1 process` */
export function plural(count: number, word: string, words = `${word}s`): string {
  return `${grouped(count)} ${count === 1 ? word : words}`;
}
