// What pages show is what is: their TypeScript compiles and prints what it says, their commands exist and print what they show.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { compiler } from '@mmun/build/compiler';
import { ROOT } from '@mmun/build/workspace';
import { effort, later } from '@mmun/test-support';
import { mmun as command } from '@mmun/test-support/mmun';
import { blocksOf, firstMissing, mentions, normalized, pages } from './doc-blocks.js';
import type { Block } from './doc-blocks.js';

const blocks = pages().flatMap((page) => blocksOf(page));
const sources = blocks.filter(({ language }) => language === 'ts').map((block, index) => ({ ...block, file: `block-${index}.ts` }));
const place = ({ page, line }: Block): string => `${page}:${line}`;

/** A folder from which packages resolve as they do for a user. */
let folder = '';
beforeAll(() => {
  const cache = join(ROOT, 'node_modules/.cache');
  mkdirSync(cache, { recursive: true });
  folder = mkdtempSync(join(cache, 'mmun-docs-'));
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }');
  for (const { file, text } of sources) writeFileSync(join(folder, file), text);
});
afterAll(() => rmSync(folder, { recursive: true }));

function run(args: readonly string[]): { code: number | null; out: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: ROOT, encoding: 'utf8', env: { ...process.env, NO_COLOR: '1' } });
  return { code: status, out: `${stdout}${stderr}` };
}

async function mmun(...args: readonly string[]): Promise<{ code: number | null; out: string }> {
  const { code, out, err } = await command(args, { cwd: ROOT });
  return { code, out: `${out}${err}` };
}

later(describe.skip, describe)('TypeScript in a page', () => {
  /** What an image is linked with decides what is known about it. */
  const designIn = (text: string): string => /@mmun\/image\/\w+-(range|off)/.exec(text)?.[1] ?? 'v5';
  /** A comment that begins as the compiler's messages do is the error of its line. */
  const ERROR = /\/\/ ((?:Type|Argument of type|Property|Cannot) .*)$/;

  it('compiles, but for the lines that show an error, and their error is the one shown', () => {
    const compilerOptions = { noEmit: true, composite: false, declaration: false, declarationMap: false, emitDeclarationOnly: false, isolatedDeclarations: false, types: ['node'] };
    const out = ['v5', 'range', 'off'].map((design) => {
      const files = sources.filter(({ text }) => designIn(text) === design).map(({ file }) => file);
      if (files.length === 0) return '';
      const customConditions = [...(design === 'v5' ? [] : [`@mmun/notifier-${design}`]), '@mmun/source'];
      writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ extends: join(ROOT, 'tsconfig.base.json'), compilerOptions: { ...compilerOptions, customConditions }, files }));
      return run([compiler(), '--pretty', 'false', '-p', join(folder, 'tsconfig.json')]).out;
    }).join('\n');
    const found = [...out.matchAll(/^(?:.*\/)?(block-\d+\.ts)\((\d+),\d+\): error TS\d+: (.*)$/gm)].map(([, file, line, message]) => {
      const block = sources.find((source) => source.file === file);
      return `${block?.page}:${(block?.line ?? 0) + Number(line) - 1}: ${message}`;
    });
    const shown = sources.flatMap(({ page, line, text }) => text.split('\n').flatMap((row, index) => (ERROR.test(row) ? [`${page}:${line + index}: ${ERROR.exec(row)?.[1]}`] : [])));
    expect(found.sort()).toEqual(shown.sort());
  });

  // what another module imports, or shows an error, is not run here
  const programs = sources.filter(({ text }) => !/^export /m.test(text) && /console\.log/.test(text));

  it('prints what stands behind its console.log', async () => {
    await build({
      entryPoints: programs.map(({ file }) => join(folder, file)), outdir: folder, outExtension: { '.js': '.mjs' }, absWorkingDir: ROOT,
      bundle: true, format: 'esm', platform: 'node', target: 'node20', conditions: ['@mmun/source'], logLevel: 'silent',
      plugins: [{ name: 'built', setup: (b) => b.onResolve({ filter: /^@mmun\/(image\/.|viewer$)/ }, ({ path }) => ({ path: join(ROOT, 'packages', path === '@mmun/viewer' ? 'viewer/dist/index.js' : `image/dist/${path.slice('@mmun/image/'.length)}.js`) })) }],
    });
    for (const block of programs) {
      const { code, out } = run([join(folder, block.file.replace('.ts', '.mjs'))]);
      const shown = [...block.text.matchAll(/console\.log\(.*\);? \/\/ (.*)$/gm)].map(([, result]) => result as string);
      expect({ at: place(block), code, missing: firstMissing(shown, out.split('\n')), out: code === 0 ? '' : out }).toEqual({ at: place(block), code: 0, missing: undefined, out: '' });
    }
    expect(programs.length).toBeGreaterThan(5);
  });

  // seconds each: .ci/run does this
  for (const race of sources.filter(({ text }) => /^export default defineRace/m.test(text)).slice(0, effort(0, Infinity))) {
    it(`is a race that is found and whose twin is clean: ${place(race)}`, async () => {
      expect([(await mmun('check', join(folder, race.file))).code, (await mmun('check', join(folder, race.file), '--variant', 'fixed')).code]).toEqual([1, 0]);
    });
  }
});

describe('commands in a page', () => {
  it('exist, and know the options that they are given', async () => {
    const said = pages().flatMap((page) => mentions(page));
    expect(said.length).toBeGreaterThan(20);
    const commands = [...new Set(said.map(({ command }) => command))];
    const help = new Map(await Promise.all(commands.map(async (name) => [name, await mmun(name, '--help')] as const)));
    const wrong = said.flatMap(({ page, command, options }) => {
      const { code, out } = help.get(command) as Awaited<ReturnType<typeof mmun>>;
      if (code !== 0) return [`${page}: mmun ${command} is no command`];
      return options.filter((option) => !new RegExp(`${option}(?![\\w-])`).test(out)).map((option) => `${page}: mmun ${command} has no ${option}`);
    });
    expect(wrong).toEqual([]);
  });

  const shown = blocks.filter(({ command }) => command !== null);

  it('are marked where a page shows what they print', () => expect(shown.map(({ page }) => page)).toContain('README.md'));

  it.each(shown.slice(0, effort(1, shown.length)).map((block) => [place(block), block] as const))('print what is shown at %s', async (_place, { command, text }) => {
    const { code, out } = await mmun(...(command ?? '').replace(/^(?:npx )?mmun /, '').split(' '));
    expect([code, firstMissing(normalized(text), normalized(out))]).toEqual([expect.any(Number), undefined]);
    expect(code).not.toBe(2);
  });
});

describe('reading pages', () => {
  it('finds blocks with their place, language and command', () => {
    const text = '# a\n\n```ts\nx;\n```\n<!-- prints: mmun run a -->\n```\n  1  2 ms\n```\n';
    expect(blocksOf('a.md', text)).toEqual([
      { page: 'a.md', line: 4, language: 'ts', text: 'x;\n', command: null }, { page: 'a.md', line: 8, language: '', text: '  1  2 ms\n', command: 'mmun run a' },
    ]);
  });

  it('finds commands and options, those of a recorded program left aside', () => {
    expect(mentions('a.md', '| `npx mmun run A` | replays; `--arch s390`, `--json` |\nmmun record o -- sort --random\n').map(({ command, options }) => [command, options])).toEqual([
      ['run', ['--arch', '--json']], ['record', []],
    ]);
  });

  it('misses a line that is not printed, and one that comes too early', () => {
    expect(normalized('a   12 ms\n\n b 1.5 s')).toEqual(['a TIME', 'b TIME']);
    expect(firstMissing(['a', 'c'], ['a', 'b', 'c'])).toBeUndefined();
    expect(firstMissing(['a', 'x'], ['a', 'b'])).toBe('x');
    expect(firstMissing(['b', 'a'], ['a', 'b'])).toBe('a');
    expect(firstMissing(['a', '...', 'c: d ...'], ['a', 'b', 'c: d e'])).toBeUndefined();
    expect(firstMissing(['a ...'], ['b a'])).toBe('a ...');
  });
});
