/** Every way in which a list of choices can go, one after the other. */

/** @returns the next way after `choices`, or null after the last; later choices start again at option 0 */
export function nextChoices(choices: readonly number[], options: readonly number[]): number[] | null {
  for (let at = choices.length - 1; at >= 0; at--) {
    const option = (choices[at] as number) + 1;
    if (option < (options[at] as number)) return [...choices.slice(0, at), option];
  }
  return null;
}

/** The same for the starts of all threads, the last thread's first. */
export function nextStarts(choices: readonly (readonly number[])[], options: readonly (readonly number[])[]): (readonly number[])[] | null {
  for (let t = choices.length - 1; t >= 0; t--) {
    const next = nextChoices(choices[t] as readonly number[], options[t] as readonly number[]);
    if (next !== null) return [...choices.slice(0, t), next];
  }
  return null;
}
