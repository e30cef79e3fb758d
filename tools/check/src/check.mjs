// npm run check: every gate, two at a time, one line each; a gate that fails prints what it found.
//   npm run check -- lint tidy   only these
import { spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '@mmun/build/workspace';

/** @typedef {{ name: string, script: string, args?: string[] }} Gate */

/** First: publint and api read what was built. @type {Gate} */
const BUILD = { name: 'build', script: 'tools/build/src/build.mjs' };

/** Long ones first. @type {Gate[]} */
const GATES = [
  { name: 'types', script: 'tools/check/src/type-check.mjs' },
  { name: 'floating-tasks', script: 'tools/check/src/floating-tasks.mjs' },
  { name: 'knip', script: 'node_modules/knip/bin/knip.js', args: ['--no-config-hints', '--no-progress'] },
  { name: 'lint', script: 'node_modules/oxlint/bin/oxlint', args: ['--type-aware', '--quiet'] },
  { name: 'changesets', script: 'tools/check/src/changesets.mjs' },
  { name: 'lockfile', script: 'tools/check/src/lockfile.mjs' },
  { name: 'api', script: 'tools/check/src/api.mjs' },
  { name: 'lock-order', script: 'tools/check/src/lock-order.mjs' },
  { name: 'xref', script: 'tools/check/src/xref.mjs' },
  { name: 'tidy', script: 'tools/tidy/src/tidy.mjs' },
  { name: 'layers', script: 'tools/check/src/layers.mjs' },
  { name: 'publint', script: 'tools/check/src/publint.mjs' },
  { name: 'sync', script: 'tools/sync/src/sync.mjs', args: ['--check'] },
];

/** @param {Gate} gate @returns {Promise<boolean>} whether it passed */
function run({ name, script, args = [] }) {
  const started = performance.now();
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [join(ROOT, script), ...args], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    const collect = (/** @type {Buffer} */ chunk) => void (text += chunk);
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('close', (code) => {
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      const isGood = code === 0;
      const last = text.trimEnd().split('\n').at(-1) ?? '';
      console.log(`${isGood ? 'ok  ' : 'FAIL'} ${name.padEnd(15)} ${seconds.padStart(5)} s  ${isGood ? last.slice(0, 150) : ''}`);
      if (!isGood) console.log(`${text.trimEnd().replace(/^/gm, '       ')}\n`);
      resolve(isGood);
    });
  });
}

async function main() {
  const started = performance.now();
  const asked = process.argv.slice(2);
  const unknown = asked.find((name) => ![BUILD, ...GATES].some((gate) => gate.name === name));
  if (unknown) throw new Error(`no gate ${unknown}: known are ${[BUILD, ...GATES].map(({ name }) => name).join(', ')}`);
  const wanted = (/** @type {Gate} */ { name }) => asked.length === 0 || asked.includes(name);
  const results = [BUILD].some(wanted) ? [await run(BUILD)] : [];
  const queue = GATES.filter(wanted);
  const worker = async () => {
    for (let gate = queue.shift(); gate; gate = queue.shift()) results.push(await run(gate));
  };
  await Promise.all(Array.from({ length: Math.min(4, availableParallelism()) }, worker));
  const failed = results.filter((isGood) => !isGood).length;
  const verdict = failed > 0 ? `${failed} of ${results.length} gates fail` : `all ${results.length} gates hold`;
  console.log(`check: ${verdict}, ${((performance.now() - started) / 1000).toFixed(1)} s`);
  process.exitCode = failed > 0 ? 1 : 0;
}

main().catch((error) => {
  console.error(error.message);
  process.exitCode = 2;
});
