/**
 * Runs a few lines against the packages as one image links them.
 * @param source a module of plain JavaScript that imports packages by name
 * @param image a row of the table of variants
 * @returns its default export
 */
export function evaluate(source: string, image: string): Promise<unknown>;
