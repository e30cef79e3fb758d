// The last lines of a test run: what each image ran, and the sum in one line that other programs read.
import { VARIANTS } from './variants.mjs';

/** The mark that `gate()` leaves in the name of a test that ran inverted. */
const SHUT = / \[[A-Z0-9_]+ is off: must fail\]$/;

/**
 * What is read of jest's result.
 * @typedef {{ title: string, status: string }} TestResult
 * @typedef {{ displayName?: { name: string }, testExecError?: unknown, testResults: TestResult[] }} SuiteResult
 * @typedef {{ testResults: SuiteResult[] }} AggregatedResult
 */

/** @typedef {{ passed: number, failed: number, skipped: number, gated: number }} Tally */

class SumReporter {
  /** @param {unknown} _contexts @param {AggregatedResult} results */
  onRunComplete(_contexts, results) {
    // jest's own summary comes after the reporters
    process.once('exit', () => process.stdout.write(`${summary(results).join('\n')}\n`));
  }
}

/** @param {AggregatedResult} results @returns {string[]} */
export function summary(results) {
  /** @type {Map<string, Tally>} */
  const tallies = new Map();
  for (const suite of results.testResults) {
    const name = suite.displayName?.name ?? '?';
    const tally = tallies.get(name) ?? { passed: 0, failed: 0, skipped: 0, gated: 0 };
    tallies.set(name, tally);
    if (suite.testExecError) tally.failed++;
    for (const test of suite.testResults) {
      if (test.status === 'passed') tally.passed++;
      else if (test.status === 'failed') tally.failed++;
      else tally.skipped++;
      if (SHUT.test(test.title)) tally.gated++;
    }
  }
  const lines = VARIANTS.flatMap(({ name, arch, design, build }) => {
    const tally = tallies.get(name);
    if (!tally) return [];
    const gated = tally.gated > 0 ? `; ${tally.gated} behind a shut gate, failing as they must` : '';
    return [`image ${name} (arch ${arch}, design ${design}, ${build}): ${line(tally)}${gated}`];
  });
  const total = { passed: 0, failed: 0, skipped: 0, gated: 0 };
  for (const tally of tallies.values()) for (const k of /** @type {const} */ (['passed', 'failed', 'skipped'])) total[k] += tally[k];
  return [...lines, line(total)];
}

/** @param {Tally} tally */
function line({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed, ${skipped} skipped`;
}

// jest takes a reporter from the default export only
export default SumReporter;
