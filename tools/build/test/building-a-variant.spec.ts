// docs/building-a-variant.md does what it says.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { buildImages } from '@mmun/build/images';
import { variantsOf } from '@mmun/build/build-image';
import { later } from '@mmun/test-support';

const page = readFileSync(resolve(import.meta.dirname, '../../../docs/building-a-variant.md'), 'utf8');
const blocks = [...page.matchAll(/^```(\w*)\n([\s\S]*?)^```/gm)].map(([, language, text]) => ({ language, text: String(text) }));

describe('docs/building-a-variant.md', () => {
  let outdir = '';
  beforeAll(() => void (outdir = mkdtempSync(join(tmpdir(), 'mmun-docs-'))));
  afterAll(() => rmSync(outdir, { recursive: true }));

  later(it.skip, it)('builds one image, which runs alone and prints what the page shows', async () => {
    const command = blocks.find(({ text }) => text.startsWith('npx nx build image'))?.text.trim() ?? '';
    const only = command.split(' ').filter((word) => word.startsWith('--only='));
    expect(await buildImages(variantsOf(only), { outdir })).toEqual([expect.stringMatching(/^image s390-off-fast: \d+ bytes$/)]);
    const code = blocks.find(({ language }) => language === 'js')?.text ?? '';
    writeFileSync(join(outdir, 'app.mjs'), code.replace("'@mmun/image/s390-off-fast'", "'./s390-off-fast.js'"));
    const shown = blocks[blocks.findIndex(({ language }) => language === 'js') + 1]?.text;
    expect(execFileSync(process.execPath, [join(outdir, 'app.mjs')], { encoding: 'utf8' })).toBe(shown);
    expect(readFileSync(join(outdir, 's390-off-fast.js'), 'utf8')).not.toMatch(/mmuNotifier|invalidate(Page|Range)/);
  });

  it('names the image that is not there', () => {
    expect(() => variantsOf(['--only=vax'])).toThrow('no image `vax`: there are x86, x86-off');
    expect(variantsOf(['--only=x86,toy-range']).map(({ name }) => name)).toEqual(['x86', 'toy-range']);
    expect(variantsOf([])).toHaveLength(30);
  });
});
