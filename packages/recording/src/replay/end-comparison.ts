import type { MapsRow } from '@mmun/include';
import { formatMapsRow } from '../maps.js';
import type { RecordedRow } from '../maps.js';
import type { Recording } from '../recording.js';
import { asRecordedRow, compareMaps, compareSmaps } from './compare-rows.js';
import type { ProcessTally } from './process-tally.js';

const ZERO_FILE = '/dev/zero (deleted)';

/** Compares processes with their .end files. */
export class EndComparison {
  readonly #recording: Recording;
  /** Inode of a shared anonymous mapping: the model's own number to the recorded one, which is the kernel's choice. */
  readonly #inodes: Map<number, number> = new Map();
  /** Processes whose [stack] was placed as the recording shows it. */
  readonly #placed: Set<number> = new Set();

  constructor(recording: Recording) {
    this.#recording = recording;
  }

  setExec(pid: number, isPlaced: boolean): void {
    if (isPlaced) this.#placed.add(pid);
    else this.#placed.delete(pid);
  }

  /** `row` is the model's row of a shared anonymous mapping whose inode the recording knows. */
  learnInode(row: MapsRow | undefined, recordedInode: number): void {
    if (row !== undefined && row.name === ZERO_FILE) this.#inodes.set(row.ino, recordedInode);
  }

  /** `procMaps` is asked only where there is something to compare with. */
  compare(tally: ProcessTally, procMaps: () => MapsRow[]): void {
    const end = this.#recording.ends.read(tally.pid);
    if (end === null) return;
    const model = procMaps();
    if (end.maps !== null && this.#isOwn(`maps.${tally.pid}.end`, tally.pid, end.maps, model)) {
      tally.hasMaps = true;
      tally.mapsDifference = compareMaps(end.maps, model.map((row) => this.#translated(row)));
    }
    // Without faults no page is known: Anonymous and what follows from it would only show that they are missing.
    if (end.smaps !== null && this.#recording.isWatched(tally.pid) && this.#isOwn(`smaps.${tally.pid}.end`, tally.pid, end.smaps, model)) {
      const lines = new Map((end.maps ?? []).map((row) => [row.start, formatMapsRow(row)]));
      tally.smaps = compareSmaps(end.smaps, model, (row) => lines.get(row.start) ?? `${row.start.toString(16)}-${row.end.toString(16)} ${row.name}`);
    }
  }

  #translated(row: MapsRow): RecordedRow {
    const recorded = asRecordedRow(row);
    const inode = row.name === ZERO_FILE ? this.#inodes.get(row.ino) : undefined;
    return inode === undefined ? recorded : { ...recorded, inode };
  }

  /** execve placed the stack at random, so a file whose [stack] ends elsewhere is another process'. */
  #isOwn(name: string, pid: number, rows: readonly { readonly name: string; readonly end: number }[], model: readonly MapsRow[]): boolean {
    const recorded = rows.find((row) => row.name === '[stack]');
    const own = model.find((row) => row.name === '[stack]');
    if (!this.#placed.has(pid) || recorded === undefined || own === undefined || recorded.end === own.end) return true;
    const line = rows.indexOf(recorded) + 1;
    const where = `its [stack] ends at ${recorded.end.toString(16)}, that of process ${pid} at ${own.end.toString(16)}`;
    this.#recording.ends.skip(name, name.startsWith('smaps') ? 0 : line, `of another process: ${where}`);
    return false;
  }
}
