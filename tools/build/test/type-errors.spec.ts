import { join } from 'node:path';
import { typeErrors } from '@mmun/build/type-errors';

const folder = import.meta.dirname;
const fixture = join(folder, 'fixtures/linked/src');

describe('typeErrors', () => {
  it('says nothing of a source that compiles', () => {
    expect(typeErrors('export const a: number = 1;', folder)).toEqual([]);
  });

  it('gives place, code and the whole message', () => {
    expect(typeErrors("export const a: number = 1;\nexport const b: number = 'x';", folder)).toEqual([
      { line: 2, column: 14, code: 2322, message: "Type 'string' is not assignable to type 'number'." },
    ]);
    expect(typeErrors('export const = 1;', folder)[0]?.line).toBe(1);
  });

  it('resolves packages and private imports from the folder, by the conditions given', () => {
    const source = "import { mmuNotifierInvalidatePage } from '#mmu-notifier';\nexport const task = mmuNotifierInvalidatePage('page');";
    for (const conditions of [[], ['@mmun/notifier-off']]) {
      expect(typeErrors(source, fixture, conditions)).toEqual([
        { line: 2, column: 47, code: 2345, message: "Argument of type 'string' is not assignable to parameter of type 'number'." },
      ]);
    }
    expect(typeErrors("import { DESIGN } from '#mmu-notifier';\nexport const a: 'off' = DESIGN;", fixture)[0]?.message).toBe(
      `Type 'string' is not assignable to type '"off"'.`,
    );
  });
});
