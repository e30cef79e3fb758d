// docs/pictures: one page of each kind, as a browser shows it. Run by hand after a change of the viewer, and looked at: npm run pictures
//   node tools/check/src/pictures.mjs FOLDER   into another folder, and also in the dark, on paper and on a narrow screen
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { chromium } from 'playwright-core';
import { ROOT } from '@mmun/build/workspace';

const CHROMIUM = '/usr/bin/chromium';
const PAGES = [
  { name: 'counterexample', command: ['check', 'munmap-read'], height: 860 },
  { name: 'run', command: ['run', 'samples/demo', '--plugin', 'kvm,gru'], height: 900 },
  { name: 'comparison', command: ['compare', 'samples/demo'], height: 740 },
];
const LOOKS = [
  { suffix: '', width: 1180, scheme: 'light', media: 'screen' }, { suffix: '-dark', width: 1180, scheme: 'dark', media: 'screen' },
  { suffix: '-narrow', width: 720, scheme: 'light', media: 'screen' }, { suffix: '-print', width: 794, scheme: 'light', media: 'print' },
];

const [into] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), 'mmun-pictures-'));
const browser = await chromium.launch({ executablePath: CHROMIUM, args: ['--no-sandbox'] });
for (const { name, command, height } of PAGES) {
  const file = join(folder, `${name}.html`);
  spawnSync(process.execPath, ['packages/cli/bin/mmun.mjs', ...command, '--report', file], { cwd: ROOT });
  for (const { suffix, width, scheme, media } of into === undefined ? LOOKS.slice(0, 1) : LOOKS) {
    const page = await browser.newPage({ viewport: { width, height }, colorScheme: /** @type {'light' | 'dark'} */ (scheme) });
    await page.emulateMedia({ media: /** @type {'screen' | 'print'} */ (media), colorScheme: /** @type {'light' | 'dark'} */ (scheme) });
    await page.goto(pathToFileURL(file).href);
    await page.waitForTimeout(300); // canvases are drawn in the next frame
    const path = join(into ?? join(ROOT, 'docs/pictures'), `${name}${suffix}.png`);
    await page.screenshot({ path, fullPage: media === 'print' });
    console.log(path);
    await page.close();
  }
}
await browser.close();
rmSync(folder, { recursive: true });
