import type { NotifierCounts } from '@mmun/include';
import type { Skipped } from '../diagnostics.js';

/** The first row of maps that differs. */
export interface MapsDifference {
  /** The recorded line; null where the model has a row more. */
  readonly recorded: string | null;
  /** The model's line; null where it lacks the row. */
  readonly model: string | null;
  /** The place as a diff: ` ` equal, `-` recorded, `+` model. */
  readonly diff: readonly string[];
}

/** The first row whose value differs. */
export interface RowDifference {
  /** The recorded row, as maps prints it. */
  readonly row: string;
  readonly recorded: string;
  readonly model: string;
}

/** What the replay of one process found. Part of the JSON contract. */
export interface ProcessResult {
  readonly pid: number;
  readonly command: string;
  readonly calls: Readonly<Record<string, number>>;
  readonly faults: number;
  /** Successful calls for which the kernel chose the address. */
  readonly addresses: { readonly asked: number; readonly equal: number };
  /** Calls whose success or errno the model answered too; brk has no errno. */
  readonly errnos: { readonly checked: number; readonly equal: number };
  /** `equal` is false where nothing was compared. */
  readonly maps: { readonly compared: boolean; readonly equal: boolean; readonly firstDifference: MapsDifference | null };
  readonly anonymous: { readonly rows: number; readonly equal: number; readonly firstDifference: RowDifference | null };
  readonly vmFlags: { readonly rows: number; readonly equal: number; readonly firstDifference: RowDifference | null };
  readonly rss: { readonly rows: number; readonly equal: number };
  /** The first call that was answered differently, in words; null where none was. */
  readonly firstCallDifference: CallDifference | null;
}

/** A call that the model answered differently. */
export interface CallDifference {
  readonly file: string;
  readonly line: number;
  /** The call with its numbers. */
  readonly call: string;
  readonly recorded: string;
  readonly model: string;
}

/** What the replay of one recording found. `name` and `processes` are the JSON contract's. */
export interface RecordingResult {
  readonly name: string;
  readonly command: string;
  readonly processes: readonly ProcessResult[];
  /** What the recording lacks and what that means. */
  readonly missing: readonly string[];
  readonly skipped: readonly Skipped[];
  /** The replay was stopped before its end. */
  readonly isInterrupted: boolean;
  /** Effects replayed. */
  readonly events: number;
  readonly notifier: NotifierCounts | null;
  readonly elapsedMs: number;
  /** Nothing that was compared differs. */
  readonly isEqual: boolean;
  /** The image's address space is smaller than the recorded one: addresses are compared without their upper bits. */
  readonly isFolded: boolean;
}

/** Does everything that was compared agree? Rss is information and does not count. */
export function isProcessEqual(result: ProcessResult): boolean {
  const { addresses, errnos, maps, anonymous, vmFlags } = result;
  return addresses.asked === addresses.equal && errnos.checked === errnos.equal && (maps.equal || !maps.compared)
    && anonymous.rows === anonymous.equal && vmFlags.rows === vmFlags.equal;
}
