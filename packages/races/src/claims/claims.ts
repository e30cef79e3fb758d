/** The numbered claims of the mail, in their order. */
import { archOverrides } from './arch-overrides.js';
import type { Claim } from './claim.js';
import { cost } from './cost.js';
import { freeing } from './freeing.js';
import { insertion } from './insertion.js';
import { pageTableLock } from './page-table-lock.js';
import { parameters } from './parameters.js';
import { registration } from './registration.js';
import { sleeping } from './sleeping.js';

export const claims: readonly Claim[] = [...pageTableLock, ...archOverrides, ...freeing, ...insertion, ...parameters, ...registration, ...cost, ...sleeping]
  .sort((one, other) => numberOf(one) - numberOf(other) || one.id.localeCompare(other.id));

function numberOf({ id }: Claim): number {
  return Number.parseInt(id.slice(1), 10);
}
