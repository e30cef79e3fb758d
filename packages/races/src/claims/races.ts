/** Races that were made for a claim. What the catalogue has is not repeated here. */
import type { Race } from '../define.js';

export const claimRaces: readonly Race[] = [];
