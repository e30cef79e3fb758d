import cliProgress from 'cli-progress';
import type { Terminal } from './terminal.js';

/** Work shorter than this shows no bar. */
const QUIET_MS = 1000;

export interface Progress {
  /** @param fraction 0 to 1 @param label a few words on what is being done */
  update(fraction: number, label: string): void;
  /** Takes the bar off the screen. */
  stop(): void;
}

/** A bar on stderr for anything that takes longer than a second; nothing where nobody looks. */
export function startProgress(terminal: Terminal): Progress {
  if (!terminal.isInteractive) return { update: () => undefined, stop: () => undefined };
  const startMs = performance.now();
  let bar: cliProgress.SingleBar | null = null;
  return {
    update(fraction, label) {
      if (bar === null) {
        if (performance.now() - startMs < QUIET_MS) return;
        bar = new cliProgress.SingleBar({
          format: '{bar} {percentage}%  {label}', stream: process.stderr, barsize: 30, barCompleteChar: '=', barIncompleteChar: '.',
          clearOnComplete: true, hideCursor: true, gracefulExit: false, linewrap: false,
        });
        bar.start(1000, 0, { label });
      }
      bar.update(Math.floor(fraction * 1000), { label });
    },
    stop() {
      bar?.stop();
      bar = null;
    },
  };
}

export interface Status {
  update(line: string): void;
  /** Takes it off the screen. */
  stop(): void;
}

/** Between two redraws. */
const REDRAW_MS = 100;

/** One line on stderr for work whose size nobody knows; nothing where nobody looks. */
export function startStatus({ isInteractive, width }: Terminal): Status {
  const startMs = performance.now();
  let drawnMs = 0;
  return {
    update(line) {
      const now = performance.now();
      if (!isInteractive || now - startMs < QUIET_MS || now - drawnMs < REDRAW_MS) return;
      drawnMs = now;
      process.stderr.write(`\r\x1b[2K${line.slice(0, width - 1)}`);
    },
    stop() {
      if (drawnMs > 0) process.stderr.write('\r\x1b[2K');
      drawnMs = 0;
    },
  };
}
