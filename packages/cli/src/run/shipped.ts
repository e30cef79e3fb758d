/** The recording that ships with the command, so that who installed it has something to begin with. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { didYouMeanPath } from '../nearest.js';
import { UsageError } from '../usage-error.js';

const SHIPPED = 'samples/demo';

/** Names as they were given; where `samples/demo` is no path from here, the one beside the command. */
export function recordingsOf(sources: readonly string[]): readonly string[] {
  const missing = sources.find((source) => !existsSync(source) && !isShipped(source));
  if (missing !== undefined) throw new UsageError(`${missing}: missing: expected a recording's folder or a strace log${didYouMeanPath(missing, [SHIPPED])}`);
  const beside = fileURLToPath(new URL(`./${SHIPPED}`, import.meta.url)); // of the bundle: dist/
  return sources.map((source) => (isShipped(source) && !existsSync(source) && existsSync(beside) ? beside : source));
}

function isShipped(source: string): boolean {
  return source.replace(/\/$/, '') === SHIPPED;
}
