import { grouped, plural } from '../render/text-table.js';

/** What a search says of itself while it runs. */
export interface ExploreProgress {
  readonly strategy: string;
  readonly executions: number;
  readonly states: number;
  readonly level: number | null;
  readonly elapsedMs: number;
}

/** `munmap-read: dpor, 12,345 executions, 3.2 s` */
export function searchLine(race: string, { strategy, executions, states, level, elapsedMs }: ExploreProgress): string {
  const bound = level === null ? '' : `, ${plural(level, 'preemption')}`;
  return `${race}: ${strategy}${bound}, ${plural(executions, 'execution')}${states > 0 ? `, ${grouped(states)} states` : ''}, ${(elapsedMs / 1000).toFixed(1)} s`;
}
