/** All claims, each run: schema mmun.claims/1. */
import type { Claim, Lab, Settled, Verdict } from './claim.js';
import { claims } from './claims.js';
import { replayOf } from './explored.js';
import { inOrder } from './in-order.js';
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
  /** Claims and cells that are under way at once: as many as the lab can make use of. Left out: 1. */
  readonly atOnce?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (fraction: number, label: string) => void;
}

/** What the table weighs in a progress bar, in claims. */
const TABLE_WEIGHT = 12;

const TURN_MILLIS = 20;

export async function settleClaims(lab: Lab, { only, isDeep = false, atOnce = 1, signal, onProgress = (): void => undefined }: ClaimsOptions = {}): Promise<ClaimsReport> {
  const chosen = only === undefined ? claims : claims.filter(({ id }) => only.includes(id));
  const isTabled = only === undefined;
  const whole = chosen.length + (isTabled ? TABLE_WEIGHT : 0);
  let [done, tabled] = [0, 0];
  const tell = (label: string): void => { onProgress((done + TABLE_WEIGHT * tabled) / whole, label); };
  const isInterrupted = (): boolean => signal?.aborted === true;
  const settling = inOrder(chosen, atOnce, async (claim) => {
    if (isInterrupted()) return null;
    tell(`${claim.id}: ${claim.means}`);
    const row = await settle(lab, claim);
    done++;
    // what was ended with this process tells first, and the signal waits for its turn
    if (row.verdict === 'open') await new Promise((turn) => { setTimeout(turn, TURN_MILLIS); });
    return row.verdict === 'open' && isInterrupted() ? null : row;
  });
  if (atOnce === 1) await settling;
  const tabling = isTabled ? v5Table(lab, { isDeep, atOnce, isInterrupted, onProgress: (fraction, cell) => { tabled = fraction; tell(`the table: ${cell}`); } }) : [];
  const [rows, table] = await Promise.all([settling, tabling]);
  const settled = rows.filter((row) => row !== null);
  return { schema: 'mmun.claims/1', claims: settled, table, ok: !isInterrupted() && settled.every(({ verdict }) => verdict !== 'open') && table.every(({ open }) => open === '') };
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
