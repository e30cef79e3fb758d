import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildImage } from '@mmun/build/images';
import type { ImageOptions } from '@mmun/build/images';
import { conditionsOf, VARIANTS } from '@mmun/build/variants';
import type { Variant } from '@mmun/build/variants';
import { later } from '@mmun/test-support';

const entry = join(import.meta.dirname, 'fixtures/linked/src/linked.ts');

const named = (name: string): Variant => VARIANTS.find((variant) => variant.name === name) as Variant;

describe('the image builder', () => {
  let outdir = '';
  beforeAll(() => void (outdir = mkdtempSync(join(tmpdir(), 'mmun-images-'))));
  afterAll(() => rmSync(outdir, { recursive: true }));

  async function built(variant: Variant, options: ImageOptions = {}): Promise<string> {
    await buildImage(variant, { entry, outdir, ...options });
    return readFileSync(join(outdir, `${variant.name}.js`), 'utf8');
  }

  // each is a bundle and a process; every seventh is one of each arch, and one of each design and build
  it.each(VARIANTS.filter((_, row) => row % later(15, 1) === 0).map((variant) => [variant.name, variant] as const))('%s says what it was asked to be', async (_name, variant) => {
    expect(await buildImage(variant, { entry, outdir })).toMatch(/^image [-a-z0-9]+: \d+ bytes$/);
  });

  it('a condition that no package knows is found by the config, not by the bundler', async () => {
    const mistyped = { ...named('x86'), name: 'mistyped', arch: 'vax' } as unknown as Variant;
    await expect(built(mistyped)).rejects.toThrow('image mistyped: arch is "generic", asked "vax" (conditions @mmun/arch-vax, @mmun/explore)');
  });

  it('an image without config, one that does not load, one that does not compile: a line each', async () => {
    const edit = (text: string): ImageOptions => ({ edit: (code, path) => (path === entry ? text : code) });
    await expect(built(named('x86'), edit('export const nothing = 1;'))).rejects.toThrow('image x86: does not load: SyntaxError: ');
    await expect(built(named('x86'), edit('export const config = undefined;'))).rejects.toThrow('image x86: arch is undefined, asked "x86"; design is undefined');
    await expect(built(named('x86'), edit('export function* f() { yield 1; }'))).rejects.toThrow(/image x86: .*linked\.ts:1:8: a generator must say what it is/);
    await expect(built(named('x86'), edit("import '#nowhere';"))).rejects.toThrow(/image x86: .*linked\.ts:1:8: .*#nowhere/);
  });

  it('checked images hold tasks whose points are decided in place, fast ones hold neither', async () => {
    expect(await built(named('x86'))).toContain('point(address) && (yield "step")');
    const fast = await built(named('x86-fast'));
    expect(fast).not.toMatch(/yield|function\s*\*|point/);
    expect(fast).toContain('mmuNotifierInvalidatePage');
  });

  it('the off image of the fast build is, byte for byte, one whose notifier calls were deleted', async () => {
    const off = await built(named('x86-off-fast'));
    const deleted = await built(named('x86-off-fast'), {
      edit: (code, path) => (path === entry ? code.replace(/^ *yield\* mmuNotifier.*\n/m, '').replace(', mmuNotifierInvalidatePage', '') : code),
    });
    expect(off).toBe(deleted);
    expect(off).not.toMatch(/notifier|alignDown/i);
  });

  it('keeps names readable and maps lines to the source', async () => {
    expect(await built(named('x86-fast'))).toMatch(/unmap = function\(ptes, address\)/);
    const map = JSON.parse(readFileSync(join(outdir, 'x86-fast.js.map'), 'utf8'));
    expect(map.sources.some((source: string) => source.endsWith('fixtures/linked/src/linked.ts'))).toBe(true);
  });
});

describe('conditions', () => {
  it('name every choice that is not the default', () => {
    const of = (name: string): string => conditionsOf(named(name)).join(' ');
    expect(['x86', 'x86-off', 'x86-fast', 'x86-range-fast', 'generic', 'generic-off', 'toy-range'].map(of)).toEqual([
      '@mmun/arch-x86 @mmun/explore',
      '@mmun/arch-x86 @mmun/notifier-off @mmun/explore',
      '@mmun/arch-x86 @mmun/fast',
      '@mmun/arch-x86 @mmun/notifier-range @mmun/fast',
      '@mmun/explore',
      '@mmun/notifier-off @mmun/explore',
      '@mmun/arch-toy @mmun/notifier-range @mmun/explore',
    ]);
  });

  it('are named after what differs from x86 in all three respects, for every combination', () => {
    const archs = [...new Set(VARIANTS.map(({ arch }) => arch))];
    const wanted = archs.flatMap((arch) => ['', '-off', '-range'].flatMap((design) => ['', '-fast'].map((build) => `${arch}${design}${build}`)));
    expect(VARIANTS.map(({ name }) => name).sort()).toEqual(wanted.sort());
    for (const { name, arch, design, build } of VARIANTS) expect(name).toBe([arch, ...(design === 'v5' ? [] : [design]), ...(build === 'fast' ? ['fast'] : [])].join('-'));
  });

  it('draw no two variants from the same row', () => {
    const rows = VARIANTS.map(({ arch, design, build }) => `${arch} ${design} ${build}`);
    expect(new Set(rows).size).toBe(VARIANTS.length);
    expect(new Set(VARIANTS.map(({ name }) => name)).size).toBe(VARIANTS.length);
  });
});
