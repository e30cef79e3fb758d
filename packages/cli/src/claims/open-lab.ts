/** What claims are settled with: the tools that link races and compile sources, and those who check races. */
import type { RacePool } from '@mmun/build/race-pool';
import { openLab } from '@mmun/races';
import type { Lab, LabTools } from '@mmun/races';
import { checkKnown } from '../check/open-race.js';

export async function openToolLab(pool: RacePool, signal: AbortSignal): Promise<Lab> {
  const [{ linkRace, PACKAGES }, { typeErrors }, { evaluate }] = await Promise.all([
    import('@mmun/build/link-race'), import('@mmun/build/type-errors'), import('@mmun/build/evaluate'),
  ]);
  const tools: LabTools = {
    linkRace, typeErrors, evaluate, folder: `${PACKAGES}/races`,
    async checkRace(race, options) {
      const report = await checkKnown(race, options, pool);
      if (report === null) throw new Error('interrupted before it was begun');
      return report;
    },
  };
  return openLab(tools, signal);
}
