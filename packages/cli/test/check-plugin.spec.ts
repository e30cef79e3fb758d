// mmun check on a plugin module, and mmun new: verdicts, documents, exit codes, places. Each run of the command is a process, so a short run makes fewer.
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { typeErrors } from '@mmun/build/type-errors';
import { effort } from '@mmun/test-support';
import { mmun, newFolder, refusal, removeFolders } from './mmun.js';
import type { PluginCheckReport } from '../src/check/check-plugin.js';

jest.setTimeout(120_000);
afterAll(removeFolders);

const isFull = effort(0, 1) === 1;
/** Of these rows the first two, where a run is short. */
const some = <T>(rows: readonly T[]): readonly T[] => (isFull ? rows : rows.slice(0, 2));
const TEMPLATE = join(__dirname, '../templates/plugin/src/index.ts');

/** The driver that `mmun new plugin` writes, with a text in it replaced. */
function driver(find = '', replace = ''): string {
  const path = join(newFolder(), 'driver.ts');
  const text = readFileSync(TEMPLATE, 'utf8');
  expect(text).toContain(find);
  writeFileSync(path, text.replace(find, replace));
  return path;
}

async function document(args: readonly string[]): Promise<{ readonly code: number | null; readonly json: PluginCheckReport }> {
  const { code, out, err } = await mmun(['check', ...args, '--json']);
  expect(err).toBe('');
  return { code, json: JSON.parse(out) as PluginCheckReport };
}

const LINE = (path: string, text: string): number => readFileSync(path, 'utf8').split(text)[0].split('\n').length;

describe('mmun check PLUGIN.ts', () => {
  if (isFull) {
    it('exits with 0 and one document where the driver stands', async () => {
      const { code, json } = await document([driver(), '--scenario', 'v5-munmap-read']);
      expect([code, json.schema, json.plugin, json.race, json.findings, json.exhaustive, json.ok]).toEqual([0, 'mmun.check/1', 'mydevice', 'v5-munmap-read', [], true, true]);
      expect(json.scenarios.map(({ scenario }) => scenario)).toContain('v5-munmap-read');
      expect(json.config).toMatchObject({ arch: 'toy', design: 'v5', build: 'checked' });
    });
  }

  it('exits with 1 and a counterexample that can be replayed, named by its scenario', async () => {
    const path = driver('device.isReleased[d] === 1 ? -ESRCH : device.ranges[d] > 0 ? -EAGAIN : 0', 'device.isReleased[d] === 1 ? -ESRCH : 0');
    const { code, json } = await document([path, '--scenario', 'range-dontneed-read']);
    const [finding] = json.findings;
    expect([code, json.race, finding?.code]).toEqual([1, 'range-dontneed-read', expect.stringMatching(/^stale|^incoherent/)]);
    expect(finding?.steps.some(({ file }) => file === path)).toBe(true);
    expect(finding?.steps.filter(({ file = '' }) => /\bdist\b|\.js$/.test(file))).toEqual([]);
    const { code: again, json: replayed } = await document([path, '--scenario', json.race, '--replay', finding?.replay ?? '']);
    expect([again, replayed.findings[0]?.code, replayed.findings[0]?.steps]).toEqual([1, finding?.code, finding?.steps]);
    if (!isFull) return;
    const { out } = await mmun(['check', path, '--scenario', json.race]);
    expect(out).toMatch(/ {6}(?:dev0 +cpu0|cpu0 +dev0)\n/);
    expect(out).toContain(`again: mmun check ${path} --scenario range-dontneed-read`);
  });

  it('cuts a program of one thread down to what is needed', async () => {
    const path = driver('entry.page[row] >= end) continue;', 'entry.page[row] >= end || row % 2 === 0) continue;');
    const { code, json } = await document([path, '--scenario', 'v5-random']);
    const [finding] = json.findings;
    expect([code, json.race]).toEqual([1, 'v5-random-programs']);
    expect(finding?.steps.length).toBeLessThanOrEqual(4);
    const { json: replayed } = await document([path, '--scenario', json.race, '--replay', finding?.replay ?? '']);
    expect(replayed.findings[0]?.message).toBe(finding?.message);
  });

  it.each(some<readonly [string, string, string, RegExp]>([
    ['throws', '  x.stat.faults[0] += 1;\n', '  null!.faults += 1;\n', /^`fault` throws TypeError/],
    ['forgets yield* before a service', 'yield* s.mmgrab(mm);', 's.mmgrab(mm);', /^floating task: `create` calls `mmgrab` without `yield\*`/],
    ['forgets yield* before a task of its own', 'yield* put(x, row, 0);', 'put(x, row, 0);', /^floating task: `put\(\.\.\)` without `yield\*` does nothing/],
    ['returns garbage', '  return pfn;\n', '  return NaN as Pfn;\n', /^`access` returns NaN/],
    ['forgets an op', 'invalidatePages: (mn', 'invalidateRows: (mn', /promises invalidatePages under v5 and does not bring it/],
  ]))('names file and line of a driver that %s', async (_what, find, replace, message) => {
    const path = driver(find, replace);
    const { code, json } = await document([path]);
    expect([code, json.findings[0]?.code]).toEqual([1, 'bad-plugin']);
    expect(json.findings[0]?.message).toMatch(message);
    const named = /\(([^()]+):(\d+)\)$/.exec(json.findings[0]?.message ?? '');
    expect(named?.[1]).toBe(path);
    if (find.includes(';') && !find.includes('return')) expect(Number(named?.[2])).toBe(LINE(path, replace));
  });

  it.each(some<readonly [string, string, RegExp]>([
    ['a syntax error', 'export const driver: SecondaryMmu = {;', /mine\.ts:1:\d+: /],
    ['a module that does not exist', "import { x } from './gone.js';\nexport const plugin: SecondaryMmu = x;", /mine\.ts:1:\d+: Could not resolve "\.\/gone\.js"$/],
    ['no plugin', 'export const designs = 3;', /mine\.ts: exports no plugin: write `export const mine: SecondaryMmu = /],
    ['two', 'export const a = { attach() {} };\nexport const b = { attach() {} };', /mine\.ts: exports the plugins a, b: make the one to check the default export$/],
    ['an error of its own', "export const designs = {};\nthrow new Error('not today');", /: not today, when it is loaded$/],
  ]))('refuses a module with %s in one line', async (_what, text, line) => {
    const path = join(newFolder(), 'mine.ts');
    writeFileSync(path, text);
    expect(refusal(await mmun(['check', path]))).toMatch(line);
  });

  it('refuses a scenario that there is not, and a replay without one', async () => {
    const path = driver();
    expect(refusal(await mmun(['check', path, '--scenario', 'v7']))).toMatch(/--scenario v7: plugin `mydevice` is put through v5-rule-/);
    expect(refusal(await mmun(['check', path, '--replay', 'm11']))).toMatch(/--replay: a finding of a plugin names its scenario too/);
  });
});

describe('mmun new plugin', () => {
  const create = async (...args: readonly string[]): Promise<Awaited<ReturnType<typeof mmun>>> => mmun(['new', 'plugin', ...args]);

  it('writes a package of its own, with the versions of the running command', async () => {
    const folder = join(newFolder(), 'my-device');
    const { code, out } = await create('my-device', '--dir', folder);
    expect([code, out]).toEqual([0, expect.stringContaining('npm install && npm test && npx mmun check src/index.ts')]);
    expect(readdirSync(folder).sort()).toEqual(['.gitignore', 'README.md', 'package.json', 'src', 'test', 'tsconfig.json']);
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as { name: string; dependencies: Record<string, string> };
    const own = JSON.parse(readFileSync(join(__dirname, '../package.json'), 'utf8')) as { version: string; dependencies: Record<string, string> };
    expect([manifest.name, manifest.dependencies['@mmun/include']]).toEqual(['mmun-plugin-my-device', own.dependencies['@mmun/include']]);
    expect(readFileSync(join(folder, 'src/index.ts'), 'utf8')).toContain("export const myDevice: SecondaryMmuFor<'v5' | 'range'> = {\n  name: 'my-device',");
    if (isFull) expect(typeErrors(readFileSync(join(folder, 'src/index.ts'), 'utf8'), join(__dirname, '../src'))).toEqual([]);
    const { code: verdict, json } = await document([join(folder, 'src/index.ts'), '--scenario', 'rule']);
    expect([verdict, json.plugin, json.ok]).toEqual([0, 'my-device', true]);
  });

  it('writes a package of the repository where it is told to put it there', async () => {
    const root = newFolder();
    writeFileSync(join(root, 'package.json'), '{ "name": "mmun-workspace" }');
    const folder = join(root, 'packages/plugin-accel');
    const { out } = await mmun(['new', 'plugin', 'accel', '--json'], { cwd: root });
    expect(JSON.parse(out)).toMatchObject({ schema: 'mmun.new/1', folder: 'packages/plugin-accel', next: ['npm run sync', 'npx jest packages/plugin-accel', 'npx mmun check packages/plugin-accel/src/index.ts'] });
    const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Record<string, unknown>;
    expect(manifest).toMatchObject({ name: '@mmun/plugin-accel', peerDependencies: { '@mmun/include': '0.x' } });
    expect(existsSync(join(folder, 'test/accel.kit.spec.ts'))).toBe(true);
  });

  it('refuses a name that is none, a folder that is taken, another kind', async () => {
    const taken = newFolder();
    mkdirSync(join(taken, 'src'));
    cpSync(TEMPLATE, join(taken, 'src/index.ts'));
    expect(refusal(await create('My_Device'))).toMatch(/"My_Device" is no name for a plugin: expected lower case letters, digits and single hyphens, as in my-device$/);
    expect(refusal(await create('x', '--dir', taken))).toMatch(/exists already and is not empty: name another folder with --dir$/);
    expect(refusal(await mmun(['new', 'arch', 'x']))).toMatch(/new arch: expected plugin, as in mmun new plugin my-device$/);
  });
});
