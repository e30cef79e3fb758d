// Every change has a changeset, and every changeset names packages that exist. A tree without history to compare with (an
// unpacked archive, a clone without the base branch) is read as far as it goes.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { ROOT } from '@mmun/build/workspace';

const NO_BASE = /Failed to find where HEAD diverged from|not a git repository|ambiguous argument|unknown revision/;

const { status, stdout, stderr } = spawnSync(process.execPath, [join(ROOT, 'node_modules/@changesets/cli/bin.js'), 'status'], { cwd: ROOT, encoding: 'utf8' });
const text = `${stdout}${stderr}`;
if (status === 0) console.log('every changed package has its changeset');
else if (NO_BASE.test(text)) console.log('nothing to compare with: no base branch here');
else console.log(text);
process.exitCode = status === 0 || NO_BASE.test(text) ? 0 : 1;
