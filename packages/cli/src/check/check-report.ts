import type { Finding, FindingStep } from '@mmun/include';
import type { Scene } from '@mmun/races';

/** A finding with what makes it worth reading. */
export interface CheckFinding extends Finding {
  /** One sentence on who made, changed or freed it, and which call was missing or late. */
  readonly why?: string;
  readonly steps: readonly CheckStep[];
  /** The machine before the first step and after each; only for --report. */
  readonly scenes?: readonly Scene[];
  readonly place?: { readonly who: string; readonly mm: number; readonly address: number; readonly pfn: number } | null;
}

/** A step that says more than the contract asks for. */
export interface CheckStep extends FindingStep {
  readonly held?: readonly string[];
  readonly fn?: string;
  readonly isPreemption?: boolean;
  readonly isBreach?: boolean;
}

/** The document of `mmun check --json`. Fields may be added, none renamed. */
export interface CheckReport {
  readonly schema: 'mmun.check/1';
  readonly race: string;
  readonly title?: string;
  readonly variant: string;
  /** The image, and the race's parameters; a race over the primitives alone has no image. */
  readonly config: { readonly arch: string; readonly design: string; readonly build: string; readonly parameters?: Readonly<Record<string, string | number>> };
  /** What ran: where `auto` was asked for, what it chose. */
  readonly strategy: string;
  /** The bound; null where there was none. */
  readonly preemptions: number | null;
  /** Complete executions; for dpor: orderings. */
  readonly executions: number;
  /** Executions that sleep sets cut short. */
  readonly blocked: number;
  /** Distinct states; 0 where the strategy counts none. */
  readonly states: number;
  /** Every interleaving within the bound was covered. */
  readonly exhaustive: boolean;
  readonly elapsedMs: number;
  readonly findings: readonly CheckFinding[];
  /** What the numbers are worth, in plain sentences. */
  readonly notes?: readonly string[];
  /** Of the whole space, where it was not covered. */
  readonly estimate?: { readonly schedules: number; readonly steps: number } | null;
  readonly interrupted?: boolean;
  readonly ok: boolean;
}

export interface RaceRow {
  readonly id: string;
  readonly title: string;
  readonly buggy: {
    readonly found: boolean;
    readonly code: string;
    readonly executions: number;
    readonly preemptions: number;
    readonly elapsedMs: number;
    readonly replay: string;
  };
  readonly fixed: { readonly clean: boolean; readonly exhaustive: boolean; readonly executions: number; readonly elapsedMs: number };
}

/** The document of `mmun races --json`. */
export interface RacesReport {
  readonly schema: 'mmun.races/1';
  readonly races: readonly RaceRow[];
  readonly ok: boolean;
}
