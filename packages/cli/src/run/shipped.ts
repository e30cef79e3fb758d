/** The recording that ships with the command, so that who installed it has something to begin with. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const SHIPPED = 'samples/demo';

/** Names as they were given; where `samples/demo` is no path from here, the one beside the command. */
export function recordingsOf(sources: readonly string[]): readonly string[] {
  const beside = fileURLToPath(new URL(`./${SHIPPED}`, import.meta.url)); // of the bundle: dist/
  return sources.map((source) => (source.replace(/\/$/, '') === SHIPPED && !existsSync(source) && existsSync(beside) ? beside : source));
}
