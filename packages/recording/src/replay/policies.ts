import type { Call } from '../call.js';

const MPOL_DEFAULT = 0;
const MPOL_PREFERRED = 1;
const MPOL_LOCAL = 4;

/** Gives equal memory policies equal numbers, and the default 0. mpol_new() */
export class Policies {
  readonly #words: Map<string, number> = new Map();

  /** @param call an mbind that succeeded */
  word(call: Call): number {
    const mode = call.args[2];
    if (mode === MPOL_DEFAULT) return 0;
    const nodes = call.text ?? '';
    const isLocal = mode === MPOL_LOCAL || (mode === MPOL_PREFERRED && !/[1-9a-f]/.test(nodes.replace(/0x/g, '')));
    const name = isLocal ? 'local' : `${mode} ${nodes}`;
    const word = this.#words.get(name) ?? this.#words.size + 1;
    this.#words.set(name, word);
    return word;
  }
}
