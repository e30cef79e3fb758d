// What a reader of `@mmun/image/x86-range` is told by the compiler is what that image is, whatever conditions he has himself.
import { buildImageTypes, imageTypes } from '@mmun/build/image-types';
import { typeErrors } from '@mmun/build/type-errors';
import { later } from '@mmun/test-support';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const CACHE = join(import.meta.dirname, '../../../node_modules/.cache');
const IMAGES = [['v5', 'x86', 'checked'], ['range', 'x86', 'fast'], ['off', 's390-256', 'checked']] as const;
let folder = '';

beforeAll(async () => {
  if (later(true, false)) return;
  mkdirSync(CACHE, { recursive: true });
  folder = mkdtempSync(join(CACHE, 'image-types-'));
  await buildImageTypes(folder);
  for (const [design, arch, build] of IMAGES) writeFileSync(join(folder, `${design}.d.ts`), imageTypes({ name: design, arch, design, build, isQuick: false, specs: 'none' }));
});
afterAll(() => { if (folder !== '') rmSync(folder, { recursive: true }); });

const HEAD = "import * as v5 from './v5.js';\nimport * as range from './range.js';\nimport * as off from './off.js';\nimport type { SecondaryMmuFor } from '@mmun/include';\n";
const errorsOf = (body: string, conditions: readonly string[] = []): readonly string[] => typeErrors(HEAD + body, folder, conditions).map(({ message }) => message);

later(describe.skip, describe).each([['none', []], ['off', ['@mmun/notifier-off']], ['range', ['@mmun/notifier-range']]])('with the conditions of %s', (_, conditions) => {
  it('each image has the tables of its own design', () => {
    expect(errorsOf(`
      export const a: Float64Array = v5.boot(v5.defaultConfig).notifierCount.invalidatePages;
      export const b: Uint32Array = range.boot(range.defaultConfig).notifierHead.isSet;
      export const c: Float64Array = range.boot(range.defaultConfig).notifierCount.changePte;
    `, conditions)).toEqual([]);
    expect(errorsOf('export const a = v5.boot(v5.defaultConfig).notifierHead.isSet;', conditions)).toEqual([expect.stringContaining("Property 'isSet' does not exist")]);
    expect(errorsOf('export const a = range.boot(range.defaultConfig).notifierCount.invalidatePages;', conditions)).toEqual([expect.stringContaining("Property 'invalidatePages' does not exist")]);
    expect(errorsOf('export const a = off.boot(off.defaultConfig).notifierHead;', conditions)).toEqual([expect.stringContaining("Property 'notifierHead' does not exist")]);
  });

  it('a plugin is refused by the image whose design it does not know', () => {
    const attach = (image: string, design: string): readonly string[] => errorsOf(`declare const plugin: SecondaryMmuFor<'${design}'>;\nexport const driver = ${image}.attachSecondaryMmu(${image}.boot(${image}.defaultConfig, [plugin]), plugin);`, conditions);
    expect([attach('v5', 'v5'), attach('range', 'range')]).toEqual([[], []]);
    expect([attach('v5', 'range').length, attach('range', 'v5').length, attach('off', 'v5').length]).toEqual([1, 1, 1]);
  });
});

later(it.skip, it)('an image says what it is', () => {
  expect(errorsOf(`
    export const a: 'x86' = v5.config.arch;
    export const b: 'range' = range.config.design;
    export const c: 'fast' = range.config.build;
    export const d: 's390-256' = off.config.arch;
  `)).toEqual([]);
});
