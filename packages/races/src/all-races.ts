/** Every race that has a name: the catalogue, and what the claims are settled with. */
import { catalogue } from './catalogue.js';
import { checkableOf } from './checkable.js';
import type { Checkable } from './checkable.js';
import { claimRaces } from './claims/races.js';

export const allRaces: readonly Checkable[] = [...catalogue, ...claimRaces.map(checkableOf)];
