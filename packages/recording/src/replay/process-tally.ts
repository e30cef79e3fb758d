import type { Call } from '../call.js';
import { errnoName } from '../errno-names.js';
import type { SmapsComparison } from './compare-rows.js';
import type { CallDifference, MapsDifference, ProcessResult } from './result.js';

/** Counts one process' calls and comparisons while the replay runs. */
export class ProcessTally {
  readonly pid: number;
  command: string;
  faults = 0;
  asked = 0;
  askedEqual = 0;
  checked = 0;
  checkedEqual = 0;
  isCompared = false;
  mapsDifference: MapsDifference | null = null;
  hasMaps = false;
  smaps: SmapsComparison | null = null;
  readonly #calls: Map<string, number> = new Map();
  #firstCallDifference: CallDifference | null = null;

  constructor(pid: number, command: string) {
    this.pid = pid;
    this.command = command;
  }

  countCall(name: string): void {
    this.#calls.set(name, (this.#calls.get(name) ?? 0) + 1);
  }

  /** The kernel chose an address; the model chose `model`. */
  countAddress(file: string, call: Call, model: number): void {
    this.asked++;
    if (model === call.result) this.askedEqual++;
    else this.#noteDifference(file, call, model);
  }

  /** Success or errno; two successes are equal here whatever they returned. */
  countErrno(file: string, call: Call, model: number): void {
    this.checked++;
    const isEqual = call.result < 0 ? model === call.result : model >= 0;
    if (isEqual) this.checkedEqual++;
    else this.#noteDifference(file, call, model);
  }

  result(): ProcessResult {
    const none = { rows: 0, equal: 0, firstDifference: null };
    return {
      pid: this.pid, command: this.command, calls: Object.fromEntries([...this.#calls].sort(([a], [b]) => (a < b ? -1 : 1))), faults: this.faults,
      addresses: { asked: this.asked, equal: this.askedEqual },
      errnos: { checked: this.checked, equal: this.checkedEqual },
      maps: { compared: this.hasMaps, equal: this.hasMaps && this.mapsDifference === null, firstDifference: this.mapsDifference },
      anonymous: this.smaps?.anonymous ?? none,
      vmFlags: this.smaps?.vmFlags ?? none,
      rss: this.smaps?.rss ?? { rows: 0, equal: 0 },
      firstCallDifference: this.#firstCallDifference,
    };
  }

  #noteDifference(file: string, call: Call, model: number): void {
    this.#firstCallDifference ??= {
      file, line: call.line, call: `${call.name}(${call.args.map(formatNumber).join(', ')})`,
      recorded: formatResult(call.result), model: formatResult(model),
    };
  }
}

function formatNumber(value: number): string {
  if (value !== value) return '?';
  return value >= 4096 ? `0x${value.toString(16)}` : String(value);
}

function formatResult(value: number): string {
  return value < 0 ? errnoName(-value) : formatNumber(value);
}
