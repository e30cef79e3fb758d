/** What claims are settled with: the tools that link races and compile sources, which only a clone of the repository has. */
import { openLab } from '@mmun/races';
import type { Lab, LabTools } from '@mmun/races';
import { UsageError } from '../usage-error.js';

/** @throws UsageError outside of a clone */
export async function openToolLab(signal: AbortSignal): Promise<Lab> {
  try {
    const [{ linkRace, ROOT }, { typeErrors }, { evaluate }] = await Promise.all([
      import('@mmun/build/link-race'), import('@mmun/build/type-errors'), import('@mmun/build/evaluate'),
    ]);
    const tools: LabTools = { linkRace, typeErrors, evaluate, folder: `${ROOT}/packages/races` };
    return openLab(tools, signal);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND') {
      throw new UsageError('claims are run on the kernel\'s sources: run this in a clone of the repository');
    }
    throw error;
  }
}
