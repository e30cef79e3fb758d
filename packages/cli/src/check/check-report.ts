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
  /** Of so many that were asked for; fewer were checked where it was interrupted. */
  readonly asked: number;
  readonly interrupted: boolean;
  readonly ok: boolean;
}
