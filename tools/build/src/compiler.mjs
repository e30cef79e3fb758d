// Which TypeScript compiler to run. Both installed packages carry a `tsc`, so it is always called by path: the native one
// where its binary for this platform is installed, else the JavaScript one.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './workspace.mjs';

/** @type {string | undefined} */
let chosen;

/** @returns {string} path of a script for node */
export function compiler() {
  chosen ??= works(join(ROOT, 'node_modules/@typescript/native/bin/tsc')) ?? join(ROOT, 'node_modules/typescript/bin/tsc');
  return chosen;
}

/** @param {string} script @returns {string | undefined} the script, where it runs */
function works(script) {
  if (!existsSync(script)) return undefined;
  return spawnSync(process.execPath, [script, '--version'], { stdio: 'ignore' }).status === 0 ? script : undefined;
}
