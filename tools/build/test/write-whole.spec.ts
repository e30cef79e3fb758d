import { mkdtempSync, readFileSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeWhole } from '../src/write-whole.mjs';

it('a file that many write at once is what one of them wrote, and nothing else is left', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'mmun-whole-'));
  const path = join(folder, 'cache/file');
  const texts = Array.from({ length: 20 }, (_, i) => `${i}`.repeat(50_000));
  await Promise.all(texts.map((text) => writeWhole(path, text)));
  expect(texts).toContain(readFileSync(path, 'utf8'));
  expect(readdirSync(join(folder, 'cache'))).toEqual(['file']);
  rmSync(folder, { recursive: true });
});
