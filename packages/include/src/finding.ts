/** What must never be true, and was. Built by the oracle package; the shape is part of the JSON contract. */
export interface FindingStep {
  readonly actor: string;
  readonly text: string;
  readonly file?: string;
  readonly line?: number;
}

export interface Finding {
  /** Stable, kebab-case: `stale-translation`, `sleep-in-atomic` ... */
  readonly code: string;
  /** One sentence, lower case, the parameter in backticks. */
  readonly message: string;
  /** The string that `--replay` takes; empty where one run alone showed it. */
  readonly replay: string;
  readonly steps: readonly FindingStep[];
}
