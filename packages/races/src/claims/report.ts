/** All claims, run one after the other: schema mmun.claims/1. */
import type { Claim, Lab, Settled, Verdict } from './claim.js';
import { claims } from './claims.js';
import { replayOf } from './explored.js';
import { v5Table } from './v5-table.js';
import type { Cell } from './v5-table.js';

export interface ClaimRow {
  readonly id: string;
  readonly text: string;
  readonly means: string;
  /** `open` where what was run decided nothing: `by` says why. */
  readonly verdict: Verdict | 'open';
  readonly by: string;
  /** `mmun check RACE --variant VARIANT --replay REPLAY` repeats the refutation. */
  readonly race?: string;
  readonly variant?: string;
  readonly replay?: string;
  readonly evidence: Settled['evidence'];
}

export interface ClaimsReport {
  readonly schema: 'mmun.claims/1';
  readonly claims: readonly ClaimRow[];
  readonly table: readonly Cell[];
  /** Every claim is settled, and so is every cell of the table. */
  readonly ok: boolean;
}

export interface ClaimsOptions {
  /** Ids; left out: all, and the table. */
  readonly only?: readonly string[];
  /** The table with three CPUs too: minutes. */
  readonly isDeep?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number, label: string) => void;
}

/** What the table weighs in a progress bar, in claims. */
const TABLE_WEIGHT = 12;

export async function settleClaims(lab: Lab, { only, isDeep = false, signal, onProgress = (): void => undefined }: ClaimsOptions = {}): Promise<ClaimsReport> {
  const chosen = only === undefined ? claims : claims.filter(({ id }) => only.includes(id));
  const whole = chosen.length + (only === undefined ? TABLE_WEIGHT : 0);
  const rows: ClaimRow[] = [];
  for (const [i, claim] of chosen.entries()) {
    if (signal?.aborted === true) break;
    onProgress(i / whole, `${claim.id}: ${claim.means}`);
    rows.push(await settle(lab, claim));
  }
  const isTabled = only === undefined && signal?.aborted !== true;
  const table = isTabled ? await v5Table(lab, isDeep, (done, of, cell) => { onProgress((chosen.length + (TABLE_WEIGHT * done) / of) / whole, `the table: ${cell}`); }) : [];
  return { schema: 'mmun.claims/1', claims: rows, table, ok: rows.length === chosen.length && rows.every(({ verdict }) => verdict !== 'open') && (!isTabled || table.every(({ open }) => open === '')) };
}

async function settle(lab: Lab, claim: Claim): Promise<ClaimRow> {
  const { id, text, means } = claim;
  try {
    const settled = await claim.run(lab);
    const counterexample = replayOf(settled);
    const { verdict, by, evidence } = settled;
    if (counterexample === null) return { id, text, means, verdict, by, evidence };
    const { race, variant, replay } = counterexample;
    return { id, text, means, verdict, by, race, variant, replay, evidence };
  } catch (error) {
    return { id, text, means, verdict: 'open', by: error instanceof Error ? error.message : String(error), evidence: [] };
  }
}
