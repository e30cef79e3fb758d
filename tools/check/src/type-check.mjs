// Types of the tree, specs included, once per set of conditions: each variant reads other files. The whole tree, tools and all, under
// no condition; under the others what reads them: packages that are not tagged `image:independent`, and what those import.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { compiler } from '@mmun/build/compiler';
import { conditionsOf, VARIANTS } from '@mmun/build/variants';
import { ROOT, workspace } from '@mmun/build/workspace';

const WHOLE = join(ROOT, 'tsconfig.check.json');

// `@mmun/explore` rewrites call sites, so its files have the types of the form they stand in for: not a variant of its own
const typed = VARIANTS.map((variant) => ({ name: variant.name, conditions: conditionsOf(variant).filter((condition) => condition !== '@mmun/explore') }));

/** @param {string} folder where to write it @returns {string} the configuration of what reads conditions */
function dependent(folder) {
  const include = workspace().filter(({ tags }) => !tags.includes('image:independent')).flatMap(({ directory }) => ['src', 'test', 'bench'].map((part) => join(directory, part)));
  const path = join(folder, 'tsconfig.json');
  writeFileSync(path, JSON.stringify({ extends: WHOLE, include, exclude: ['node_modules', 'dist', 'fixtures'].map((name) => join(ROOT, '**', name)) }));
  return path;
}

/** @param {string} project @param {readonly string[]} conditions @returns {string[]} what the compiler says */
function complaints(project, conditions) {
  const args = [compiler(), '-p', project, '--pretty', 'false', '--customConditions', [...conditions, '@mmun/source'].join(',')];
  const { status, stdout } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8' });
  return status === 0 ? [] : stdout.trimEnd().split('\n');
}

const seen = new Set();
/** @type {string[]} */
const said = [];
const folder = mkdtempSync(join(ROOT, 'node_modules/.types-'));
const partly = dependent(folder);
for (const { name, conditions } of [{ name: 'no condition', conditions: /** @type {string[]} */ ([]) }, ...typed]) {
  if (seen.has(conditions.join())) continue;
  const lines = complaints(seen.size === 0 ? WHOLE : partly, conditions);
  seen.add(conditions.join());
  if (lines.length === 0) continue;
  const fresh = lines.filter((line) => !said.includes(line));
  said.push(...fresh);
  console.log(`${name}:${fresh.length === 0 ? ' the same' : ''}`);
  for (const line of fresh) console.log(line);
  process.exitCode = 1;
}
rmSync(folder, { recursive: true });
console.log(`${seen.size} sets of conditions`);
