// The claims of the mail come out as history says, each by a run; docs/claims.md is what the runs said.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { evaluate } from '@mmun/build/evaluate';
import { linkRace } from '@mmun/build/link-race';
import { typeErrors } from '@mmun/build/type-errors';
import { allRaces, claims, claimsPage, openLab, settleClaims } from '@mmun/races';
import type { ClaimRow } from '@mmun/races';
import { effort, later } from '@mmun/test-support';

const isFull = effort(0, 1) === 1;
const lab = openLab({ linkRace, typeErrors, evaluate, folder: join(import.meta.dirname, '..') });
const page = readFileSync(join(import.meta.dirname, '../../../docs/claims.md'), 'utf8');

/** History, section 5. */
const VERDICTS: Readonly<Record<string, ClaimRow['verdict']>> = {
  C1: 'arch-dependent', C2: 'holds', C3: 'holds', C4a: 'holds', C4b: 'refuted', C5: 'holds', C6: 'holds', C7: 'holds', C8: 'holds', C9: 'refuted', C10: 'refuted', C11: 'refuted',
  C12: 'holds', C13: 'holds', C14: 'refuted', C15: 'holds', C16: 'holds', C17: 'holds', C18: 'holds', C19: 'holds', C20: 'holds', C21: 'holds', C22: 'holds', C23: 'refuted',
  C24: 'refuted', C25: 'holds',
};
/** Where nobody waits: one by numbers, one by a proof and its mutant, one by a counterexample. */
const QUICK: readonly string[] = later(['C7'], ['C7', 'C15', 'C23']);

it('every numbered claim is there, in its order', () => {
  expect(claims.map(({ id }) => id)).toEqual(Object.keys(VERDICTS));
});

it('the mail is quoted in a few words only', () => {
  for (const { id, text } of claims) expect([id, text.length < 60]).toEqual([id, true]);
});

it('claims come out as they should, by runs that say so, and refutations replay', async () => {
  const { claims: rows, ok } = await settleClaims(lab, { only: isFull ? Object.keys(VERDICTS) : QUICK });
  expect(ok).toBe(true);
  expect(Object.fromEntries(rows.map(({ id, verdict }) => [id, verdict]))).toEqual(Object.fromEntries(rows.map(({ id }) => [id, VERDICTS[id]])));
  for (const { id, verdict, evidence, race = '', variant = '', replay = '' } of rows) {
    expect([id, evidence.length]).not.toEqual([id, 0]);
    if (verdict !== 'refuted') continue;
    expect(allRaces.map((known) => known.id)).toContain(race);
    const { findings, notes } = await lab.check(race, { variant, replay });
    expect([id, findings.length, notes]).toEqual([id, 1, []]);
  }
}, 600_000);

it('the page says of each claim what was settled', () => {
  for (const [id, verdict] of Object.entries(VERDICTS)) {
    expect(page).toContain(`### ${id}\n`);
    expect([id, page.split('\n').find((line) => line.startsWith(`| [${id}]`))?.includes(verdict)]).toEqual([id, true]);
  }
});

(isFull ? it : it.skip)('the page is what `npx mmun claims --markdown` writes', async () => {
  // written with --deep, it has the column of three CPUs
  expect(claimsPage(await settleClaims(lab, { isDeep: page.includes('clean, 2 and 3') }))).toBe(page);
}, 1_800_000);
