/** The folder of the repository, or the one that the packages are installed in. */
export const ROOT: string;

/** Where the packages stand, by their names without the scope. */
export const PACKAGES: string;

/** A race that cannot be linked; the message is one line and names file and line. */
export class LinkError extends Error {}

export interface Edit {
  /** From `packages/` on. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface LinkOptions {
  /** Path of a race module; left out: the catalogue alone. */
  readonly race?: string;
  /** A row of the table of variants; left out: `toy`. */
  readonly image?: string;
  readonly edits?: readonly Edit[];
}

/** The module that holds image, races and oracles in one; its shape is for the caller to say. */
export function linkRace(options: LinkOptions): Promise<unknown>;

/** Where in the race's own file an error came from. */
export function placeIn(race: string, stack: string): string;
