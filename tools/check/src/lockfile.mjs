// The lockfile agrees with every package.json, so that `npm ci` works in a fresh clone.
import { spawnSync } from 'node:child_process';
import { ROOT } from '@mmun/build/workspace';

const { status, stderr } = spawnSync('npm', ['ci', '--dry-run', '--ignore-scripts', '--offline'], { cwd: ROOT, encoding: 'utf8' });
const wrong = stderr.split('\n').filter((line) => /Missing:|Invalid:|in sync|lock file/.test(line));
for (const line of wrong.slice(0, 12)) console.log(line.replace(/^npm (error|ERR!) (code \S+ )?/, ''));
console.log(status === 0 ? 'package-lock.json agrees with the package.json files' : 'package-lock.json does not agree with the package.json files: npm i, and commit it');
process.exitCode = status === 0 ? 0 : 1;
