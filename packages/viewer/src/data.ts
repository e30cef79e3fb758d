/**
 * What a page shows. The page carries it as JSON beside its script, so everything here is plain data: numbers, texts and
 * lists of them. Frames, address spaces and addresses are the model's own numbers.
 */

/** One step of a schedule, as it is told in text too. */
export interface PageStep {
  readonly actor: string;
  /** Kernel function, under the kernel's name; empty where it has none. */
  readonly fn: string;
  /** What it did, in words. */
  readonly text: string;
  readonly file?: string;
  readonly line?: number;
  /** Locks that the actor holds after it. */
  readonly held: readonly string[];
  /** The turn was taken from an actor that could have gone on. */
  readonly isPreemption: boolean;
  /** The invariant broke here. */
  readonly isBreach: boolean;
}

/** A translation that someone holds: the page table itself, a CPU's TLB, a secondary MMU. */
export interface PageView {
  readonly kind: 'pte' | 'tlb' | 'secondary';
  /** `page table`, `cpu 0`, `kvm`. */
  readonly who: string;
  readonly mm: number;
  readonly address: number;
  readonly pfn: number;
  readonly isWritable: boolean;
}

/** Between two steps. */
export interface PageMoment {
  readonly views: readonly PageView[];
  /** Frames in use. */
  readonly live: readonly number[];
}

export interface CounterexampleData {
  readonly kind: 'counterexample';
  readonly race: string;
  /** What is at stake, one line. */
  readonly title: string;
  readonly variant: string;
  /** `toy, notifier v5, checked build`. */
  readonly config: string;
  readonly code: string;
  readonly message: string;
  /** One sentence; empty where nothing is known. */
  readonly why: string;
  /** The command that shows it again. */
  readonly again: string;
  readonly steps: readonly PageStep[];
  /** Before the first step, then after each: one more than steps; empty where the machine was not watched. */
  readonly moments: readonly PageMoment[];
  /** The translation that the finding is about. */
  readonly breach: { readonly who: string; readonly mm: number; readonly address: number; readonly pfn: number } | null;
}

/** Events of one replayed recording. Columns have one element an event: a hundred thousand of them are a small page. */
export interface RunData {
  readonly kind: 'run';
  readonly name: string;
  /** The recorded command line. */
  readonly command: string;
  /** `x86, notifier v5, checked build`. */
  readonly config: string;
  /** One sentence on how it ended. */
  readonly verdict: string;
  readonly plugins: readonly string[];
  readonly processes: readonly { readonly pid: number; readonly command: string }[];
  /** What `events.name` and `calls.op` number. */
  readonly names: readonly string[];
  readonly ops: readonly string[];
  readonly events: {
    /** Microseconds since the first. */
    readonly time: readonly number[];
    /** Index of the process. */
    readonly process: readonly number[];
    readonly name: readonly number[];
    /** Line of the recording. */
    readonly line: readonly number[];
    readonly start: readonly number[];
    readonly bytes: readonly number[];
  };
  /** Calls into plugins, in the order of events. */
  readonly calls: {
    readonly event: readonly number[];
    readonly op: readonly number[];
    readonly plugin: readonly number[];
    readonly start: readonly number[];
    readonly end: readonly number[];
  };
  /** By plugin, an element an event: entries dropped in it, and what its device did after it. */
  readonly dropped: readonly (readonly number[])[];
  readonly faults: readonly (readonly number[])[];
  readonly accesses: readonly (readonly number[])[];
  /** A mapping and the events between which it stood. */
  readonly vmas: readonly RunVma[];
}

export interface RunVma {
  readonly process: number;
  readonly start: number;
  readonly end: number;
  readonly perms: string;
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

/** The same work under each design, number by number. */
export interface ComparisonData {
  readonly kind: 'comparison';
  /** What was replayed. */
  readonly title: string;
  readonly config: string;
  readonly designs: readonly string[];
  readonly groups: readonly ComparisonGroup[];
}

export interface ComparisonGroup {
  readonly title: string;
  /** What the numbers count, in a few words. */
  readonly unit: string;
  readonly rows: readonly {
    readonly label: string;
    /** By design; null where the design has no such thing. */
    readonly values: readonly (number | null)[];
  }[];
}

export type PageData = CounterexampleData | RunData | ComparisonData;
