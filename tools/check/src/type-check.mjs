// Types of the whole tree, specs and tools included, once per set of conditions: each variant reads other files.
import { spawnSync } from 'node:child_process';
import { compiler } from '@mmun/build/compiler';
import { conditionsOf, VARIANTS } from '@mmun/build/variants';
import { ROOT } from '@mmun/build/workspace';

// `@mmun/explore` rewrites call sites, so its files have the types of the form they stand in for: not a variant of its own
const typed = VARIANTS.map((variant) => ({ name: variant.name, conditions: conditionsOf(variant).filter((condition) => condition !== '@mmun/explore') }));
const seen = new Set();
/** @type {string[]} */
const said = [];
for (const { name, conditions } of [{ name: 'no condition', conditions: /** @type {string[]} */ ([]) }, ...typed]) {
  if (seen.has(conditions.join())) continue;
  seen.add(conditions.join());
  const args = [compiler(), '-p', 'tsconfig.check.json', '--pretty', 'false', '--customConditions', [...conditions, '@mmun/source'].join(',')];
  const { status, stdout } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  if (status === 0) continue;
  const fresh = stdout.trimEnd().split('\n').filter((line) => !said.includes(line));
  said.push(...fresh);
  console.log(`${name}:${fresh.length === 0 ? ' the same' : ''}`);
  for (const line of fresh) console.log(line);
  process.exitCode = 1;
}
console.log(`${seen.size} sets of conditions`);
