// npm run test:affected: the specs of what changed and of all that depends on it, by Nx's project graph.
//   -- --base=REV   compared with REV instead of main; uncommitted changes always count
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT, workspace } from '@mmun/build/workspace';

const nx = spawnSync(process.execPath, [join(ROOT, 'node_modules/nx/dist/bin/nx.js'), 'show', 'projects', '--affected', '--json', ...process.argv.slice(2)], {
  cwd: ROOT,
  encoding: 'utf8',
  stdio: ['ignore', 'pipe', 'inherit'],
});
if (nx.status !== 0) process.exit(nx.status ?? 1);
const affected = new Set(JSON.parse(nx.stdout));
const folders = workspace()
  .filter(({ name }) => affected.has(name))
  .map(({ folder }) => `${folder}/test/`);
console.log(folders.length === 0 ? 'nothing is affected' : `affected: ${[...affected].join(', ')}`);
if (folders.length > 0) {
  const jest = spawnSync(process.execPath, [join(ROOT, 'node_modules/jest/bin/jest.js'), '--passWithNoTests', ...folders], { cwd: ROOT, stdio: 'inherit' });
  process.exitCode = jest.status ?? 1;
}
