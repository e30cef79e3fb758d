/** Where output goes: results to stdout, everything else to stderr; colour and a bar only for eyes. */
import pc from 'picocolors';

export type Paint = ReturnType<typeof pc.createColors>;

export interface Terminal {
  /** A line of the result. */
  out(line: string): void;
  /** A note, a warning, an error: never part of the result. */
  note(line: string): void;
  /** Colours of stdout. */
  readonly paint: Paint;
  /** Colours of stderr. */
  readonly notePaint: Paint;
  /** Columns that human output may use. */
  readonly width: number;
  /** Progress can be shown. */
  readonly isInteractive: boolean;
  /** Ctrl-C was pressed: print what there is. Pressed again, the process ends at once. */
  readonly interrupt: AbortSignal;
}

const WIDTH_OF_PIPE = 80;
const WIDTH_MIN = 60;
const WIDTH_MAX = 110;

export function openTerminal(): Terminal {
  const controller = new AbortController();
  process.once('SIGINT', () => controller.abort());
  for (const stream of [process.stdout, process.stderr]) stream.on('error', onWriteError);
  return {
    out: (line) => void process.stdout.write(`${line}\n`),
    note: (line) => void process.stderr.write(`${line}\n`),
    paint: pc.createColors(wantsColour(process.stdout)),
    notePaint: pc.createColors(wantsColour(process.stderr)),
    width: widthOf(process.stdout),
    isInteractive: hasEyes(process.stderr),
    interrupt: controller.signal,
  };
}

/** A terminal that was never told its size says 0. */
function widthOf({ isTTY, columns }: NodeJS.WriteStream): number {
  return isTTY && columns > 0 ? Math.min(WIDTH_MAX, Math.max(WIDTH_MIN, columns)) : WIDTH_OF_PIPE;
}

/** no-color.org: NO_COLOR wins; FORCE_COLOR speaks for a pipe. */
function wantsColour(stream: NodeJS.WriteStream): boolean {
  if ((process.env['NO_COLOR'] ?? '') !== '') return false;
  if ((process.env['FORCE_COLOR'] ?? '') !== '') return process.env['FORCE_COLOR'] !== '0';
  return hasEyes(stream);
}

/** A pipe has no `isTTY` at all, whatever its type says; left undefined, colours would be guessed from the environment (CI). */
function hasEyes({ isTTY }: { readonly isTTY?: boolean }): boolean {
  return isTTY === true && process.env['TERM'] !== 'dumb';
}

/** The reader went away (`mmun ... | head -1`): nobody is left to tell. */
function onWriteError(error: NodeJS.ErrnoException): void {
  if (error.code === 'EPIPE') process.exit();
  if (error.code === 'EIO') process.exit(2);
  process.exitCode = 2;
}
