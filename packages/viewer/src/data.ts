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

export type PageData = CounterexampleData;
