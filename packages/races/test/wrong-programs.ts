/**
 * For each oracle, under each design where it applies, a program that it must convict and one that differs in a line and
 * that it must acquit. Loaded by linkRace, so that it runs in the form in which everybody's races do.
 */
import type { Race } from '@mmun/races';
import { wrongDrivers } from './wrong-drivers.js';
import { wrongKernels } from './wrong-kernels.js';

/** By id: `CODE-DESIGN`, and a word more where a code has several. */
export const wrong: readonly Race[] = [...wrongDrivers('v5'), ...wrongDrivers('range'), ...wrongKernels('v5'), ...wrongKernels('range'), ...wrongKernels('off')];
