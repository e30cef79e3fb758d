/**
 * The kernel stopped: a precondition does not hold. Each code is used at one site
 * only, so that a report names the line.
 */
export class KernelBug extends Error {
  readonly code: string;
  constructor(code: string, detail = '') {
    super(detail === '' ? code : `${code}: ${detail}`);
    this.name = 'KernelBug';
    this.code = code;
  }
}

/** BUG_ON: stops when `condition` holds. `code` is kebab-case and unique in the tree. */
export function bugOn(condition: boolean, code: string): void {
  if (condition) throw new KernelBug(code);
}
