/** What claims are settled with: the tools that link races and compile sources. */
import { openLab } from '@mmun/races';
import type { Lab, LabTools } from '@mmun/races';

export async function openToolLab(signal: AbortSignal): Promise<Lab> {
  const [{ linkRace, PACKAGES }, { typeErrors }, { evaluate }] = await Promise.all([
    import('@mmun/build/link-race'), import('@mmun/build/type-errors'), import('@mmun/build/evaluate'),
  ]);
  const tools: LabTools = { linkRace, typeErrors, evaluate, folder: `${PACKAGES}/races` };
  return openLab(tools, signal);
}
