import { describe, expect, it } from '@jest/globals';
import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { mmun, mmunProcess, refusal, TRUE } from './mmun.js';

describe('wrong usage is one line and exit code 2', () => {
  const cases: readonly (readonly [string, readonly string[], RegExp])[] = [
    ['an unknown command', ['rnu'], /^mmun: unknown command 'rnu' \(Did you mean run\?\)$/],
    ['help of an unknown command', ['help', 'rnu'], /^mmun: unknown command 'rnu' \(Did you mean run\?\)$/],
    ['no operations to compare', ['fuzz-kernel', '--ops', '0'], /^mmun fuzz-kernel: --ops 0: expected a whole number from 1 to 2\^53 - 1$/],
    ['an option that only a plugin has', ['check', 'munmap-read', '--scenario', 'range'], /^mmun check: --scenario: munmap-read is a race: this is an option of plugins$/],
    ['a bound that the search does not know', ['check', 'munmap-read', '--preemptions', '1', '--strategy', 'dpor'], /^mmun check: --preemptions 1: --strategy dpor does not count them: expected bounded$/],
    ['a folder in place of a module', ['check', TRUE], /true: is a directory: expected a module, \.ts or \.mjs$/],
    ['an unknown option', ['run', '--jsn', TRUE], /^mmun run: unknown option '--jsn' \(Did you mean --json\?\)$/],
    ['an option of another command', ['run', TRUE, '--strategy', 'dpor'], /^mmun run: unknown option '--strategy'/],
    ['nothing to run', ['run'], /^mmun run: missing required argument 'recording', as in mmun run samples\/demo$/],
    ['an option without its value', ['run', TRUE, '--arch'], /^mmun run: option '--arch <arch>' argument missing$/],
    ['an arch that is none', ['run', TRUE, '--arch', 'arm'], /^mmun run: --arch arm: expected x86, s390, s390-256 or generic$/],
    ['a rate that is no number', ['run', TRUE, '--plugin', 'kvm', '--device-rate', 'often'], /^mmun run: --device-rate often: expected a number from 0 to 1000$/],
    ['a rate without a device', ['run', TRUE, '--device-rate', '1'], /^mmun run: --device-rate needs a --plugin/],
    ['a seed that is no number', ['run', TRUE, '--seed', '-1'], /^mmun run: --seed -1: expected a whole number/],
    ['an unknown plugin', ['run', TRUE, '--plugin', 'kvm,tpu'], /^mmun run: --plugin kvm,tpu: no secondary MMU is called "tpu": there are kvm\b/],
    ['a plugin under a design that it does not know', ['run', TRUE, '--plugin', 'kvm', '--design', 'off'], /^mmun run: --plugin kvm: .*off/],
    ['a path that is not there', ['run', TRUE, join(TRUE, 'nowhere')], /^mmun run: .*nowhere: missing: expected a recording's folder or a strace log$/],
    ['a recording that is misspelt', ['run', TRUE.replace('true', 'tru')], /expected a recording's folder or a strace log \(Did you mean .*samples\/true\?\)$/],
    ['a design that is misspelt', ['run', TRUE, '--design', 'rnage'], /^mmun run: --design rnage: expected v5, range or off \(Did you mean range\?\)$/],
    ['a plugin that is misspelt', ['run', TRUE, '--plugin', 'kmv'], /\(Did you mean kvm\?\)$/],
    ['a race that is misspelt', ['check', 'munmpa_read'], /^mmun check: no race is called "munmpa_read" \(Did you mean munmap-read\?\): /],
    ['a part of a name', ['check', 'hugetlb'], /\(Did you mean one of hugetlb-fork, hugetlb-cow, hugetlb-mprotect\?\)/],
    ['a variant that is misspelt', ['check', 'munmap-read', '--variant', 'fixd'], /\(Did you mean fixed\?\)$/],
    ['a page that cannot be written, said before the work', ['run', TRUE, '--report', join(TRUE, 'no', 'x.html')], /^mmun run: --report .*x\.html: cannot be written: no such file or directory$/],
    ['a file that is no trace', ['run', join(TRUE, 'elf')], /^mmun run: .*elf:1: expected a strace line/],
    ['a folder that is none', ['run', resolve(TRUE, '..')], /^mmun run: .*samples\/trace\.strace: missing/],
    ['recording into a full folder', ['record', TRUE, '--', 'true'], /^mmun record: .*samples\/true: expected a new or an empty folder$/],
  ];
  it.each(cases)('%s', async (_, args, expected) => {
    expect(refusal(await mmun(args))).toMatch(expected);
  });

  it('and so it is of a process', async () => {
    const [[, args, expected]] = cases;
    expect(refusal(await mmunProcess(args))).toMatch(expected);
  });
});

describe('what is said without being asked for a run', () => {
  it('mmun alone shows what to do first', async () => {
    const { code, out, err } = await mmunProcess([]);
    expect({ code, err }).toEqual({ code: 0, err: '' });
    expect(out).toMatch(/Start here:\n {2}mmun run samples\/demo/);
    expect(Math.max(...out.split('\n').map((line) => line.length))).toBeLessThanOrEqual(80);
  });

  it('help teaches by example, the version is the package\'s', async () => {
    const [help, version] = await Promise.all([mmun(['run', '--help']), mmun(['--version'])]);
    expect(help).toMatchObject({ code: 0, err: '', out: expect.stringMatching(/Examples:\n {2}mmun run samples\/demo\n {6}a recording that ships with mmun\n/) });
    const { version: own } = JSON.parse(readFileSync(resolve(__dirname, '../package.json'), 'utf8'));
    expect(version).toEqual({ code: 0, err: '', out: `${own}\n` });
  });
});

describe('the table of images', () => {
  it('holds every image that is built', async () => {
    const { exports } = JSON.parse(readFileSync(resolve(__dirname, '../../image/package.json'), 'utf8')) as { exports: Record<string, unknown> };
    const source = readFileSync(resolve(__dirname, '../src/run/images.ts'), 'utf8');
    const built = Object.keys(exports).filter((path) => path.startsWith('./') && !path.includes('toy'));
    expect(built.filter((path) => !source.includes(`'@mmun/image/${path.slice(2)}'`))).toEqual([]);
  });
});

describe('a reader that goes away', () => {
  it('leaves no trace', async () => {
    const bin = resolve(__dirname, '../bin/mmun.mjs');
    const err = await new Promise<string>((done) => {
      execFile('sh', ['-c', `"${process.execPath}" "${bin}" run "${TRUE}" --json | head -c 1`], (_error, _out, text) => done(text));
    });
    expect(err).toBe('');
  });
});

describe('each command', () => {
  it('is one file of commands/', () => {
    const files = readdirSync(resolve(__dirname, '../src/commands')).map((name) => name.replace('.ts', ''));
    const main = readFileSync(resolve(__dirname, '../src/main.ts'), 'utf8');
    expect(files.filter((name) => !main.includes(`./commands/${name}.js`))).toEqual([]);
    const readme = readFileSync(resolve(__dirname, '../README.md'), 'utf8');
    expect(files.filter((name) => !readme.includes(`| \`mmun ${name}`))).toEqual([]);
  });
});
