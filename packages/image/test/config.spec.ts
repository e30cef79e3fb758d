import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { config } from '@mmun/image';
import { image } from '@mmun/test-support';

describe('an image', () => {
  it('says what it is, and is what this project asked for', () => {
    const { arch, design, build } = image();
    expect(config).toEqual({ arch, design, build });
  });

  it('is published as one file without imports', () => {
    const bundle = readFileSync(createRequire(import.meta.url).resolve(`@mmun/image/${image().name}`), 'utf8');
    expect(bundle).not.toMatch(/^import |\brequire\(|\bimport\(/m);
  });
});
