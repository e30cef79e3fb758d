// A race is linked again exactly where something in it is another than what was linked.
import { mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { linkRace } from '@mmun/build/link-race';
import { later } from '@mmun/test-support';

let folder = '';
beforeEach(() => { folder = mkdtempSync(join(tmpdir(), 'mmun-link-')); });
afterEach(() => rmSync(folder, { recursive: true }));

later(it.skip, it)('what is written while it links is seen the next time, and so is a change that left the file old', async () => {
  const race = join(folder, 'my.race.ts');
  const write = (value: number): void => writeFileSync(race, `export const value: number = ${value};\n`);
  const linkedValue = async (): Promise<number> => ((await linkRace({ race })) as { user: { value: number } }).user.value;
  let last = 1;
  write(last);
  let isLinked = false;
  const linking = linkedValue().finally(() => { isLinked = true; });
  while (!isLinked) {
    write(++last);
    await new Promise((done) => { setTimeout(done, 5); });
  }
  expect(await linking).toBeLessThan(last);
  expect(await linkedValue()).toBe(last);
  write(0);
  utimesSync(race, 1e9, 1e9);
  expect(await linkedValue()).toBe(0);
});
