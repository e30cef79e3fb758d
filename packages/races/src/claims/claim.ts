/** A claim of the mail, what settles it, and what a run of that gives. */
import type { Finding, MachineConfig, MaySleep, Mm, Pfn, Task, Vaddr, Vma } from '@mmun/include';
import type { WatchedMachine } from '@mmun/oracle';
import type { CheckOptions, CheckReport } from '../check-race.js';
import type { RaceImage } from '../race-image.js';

export type Verdict = 'holds' | 'refuted' | 'arch-dependent';

/** What a claim is settled with. Whoever runs claims brings it: linking and compiling need the sources. */
export interface Lab {
  /** Explores a race of the catalogue, or one that was made for a claim. */
  check(race: string, options: CheckOptions): Promise<CheckReport>;
  /** @param name a row of the table of variants: `x86`, `s390-range` */
  image(name: string): Promise<LabImage>;
  /** What the compiler has against a source that is linked with the design; a line each. */
  typeErrors(source: string, design: 'v5' | 'range' | 'off'): Promise<readonly string[]>;
  /** Links a module in the fast form with what `image` is made of, and returns its default export. */
  evaluate(source: string, image: string): Promise<unknown>;
}

/** A linked image with what claims look at besides. */
export type LabImage = RaceImage & {
  readonly defaultConfig: MachineConfig;
  findVma(m: WatchedMachine, mm: Mm, address: Vaddr): Vma;
  remapPfnRange(m: WatchedMachine, vma: Vma, address: Vaddr, pfn: Pfn, sizeBytes: number): Task<MaySleep, number>;
};

/** The shortest schedule that goes wrong. */
export interface Counterexample {
  readonly race: string;
  readonly variant: string;
  readonly code: string;
  readonly message: string;
  readonly why: string;
  readonly replay: string;
  readonly preemptions: number;
  readonly steps: Finding['steps'];
}

/** Of one exploration. */
export interface Explored {
  readonly kind: 'explored';
  /** What it is about, as the head of a paragraph. */
  readonly says: string;
  readonly race: string;
  readonly variant: string;
  readonly exhaustive: boolean;
  readonly executions: number;
  readonly counterexample: Counterexample | null;
}

/** Numbers, measured on images. */
export interface Measured {
  readonly kind: 'measured';
  readonly says: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** What the compiler says. */
export interface Compiled {
  readonly kind: 'compiled';
  readonly says: string;
  readonly rows: readonly { readonly source: string; readonly design: string; readonly errors: readonly string[] }[];
}

export type Evidence = Explored | Measured | Compiled;

/** How a claim came out. */
export interface Settled {
  readonly verdict: Verdict;
  /** What was run and what it showed, in a sentence or two. */
  readonly by: string;
  readonly evidence: readonly Evidence[];
}

export interface Claim {
  /** `C9` */
  readonly id: string;
  /** The mail's own words: a few. */
  readonly text: string;
  /** The claim as a sentence that can be true or false. */
  readonly means: string;
  /** @throws Unsettled where what was run decides nothing */
  run(lab: Lab): Promise<Settled>;
}

/** What was run decides neither for nor against. */
export class Unsettled extends Error {}
