/** Some things at a time, and what came of them in the order of the things. */
export async function inOrder<T, R>(things: readonly T[], atOnce: number, work: (thing: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const rest = things.entries();
  const lane = async (): Promise<void> => {
    for (const [i, thing] of rest) results[i] = await work(thing);
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, things.length) }, lane));
  return results;
}
