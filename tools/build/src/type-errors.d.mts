export interface TypeError {
  readonly line: number;
  readonly column: number;
  readonly code: number;
  /** Whole message; a chain is joined by newlines, so a one-line message holds none. */
  readonly message: string;
}

/**
 * Compiles one source as if it stood in a folder, and returns its errors.
 * @param source TypeScript text
 * @param folder where it pretends to stand, as in `import.meta.dirname`: imports and private `#` imports resolve from there
 * @param conditions package conditions besides `@mmun/source`, as in `['@mmun/notifier-off']`
 */
export function typeErrors(source: string, folder: string, conditions?: readonly string[]): readonly TypeError[];
