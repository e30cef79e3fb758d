/** Races that were made for a claim. What the catalogue has is not repeated here. */
import type { Race } from '../define.js';
import { hookRaces } from './hook-races.js';
import { registrationRaces } from './registration-races.js';
import { sleepingRaces } from './sleeping-races.js';

export const claimRaces: readonly Race[] = [...hookRaces, ...registrationRaces, ...sleepingRaces];
