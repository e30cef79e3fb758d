// mmun check and mmun races as they are used: documents, exit codes, errors, the docs.
import { later } from '@mmun/test-support';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mmun, mmunInterrupted, mmunProcess, newFolder, refusal, removeFolders } from './mmun.js';
import type { CheckReport } from '@mmun/races';
import type { RacesReport } from '../src/check/check-report.js';

afterAll(removeFolders);

/** The example of docs/writing-a-race.md, as its reader has it. */
function documentedRace(edit: (text: string) => string = (text) => text): string {
  const doc = readFileSync(join(__dirname, '../../../docs/writing-a-race.md'), 'utf8');
  const path = join(newFolder(), 'lazy-free.race.ts');
  writeFileSync(path, edit((/```ts\n(.*?)```/s.exec(doc) as RegExpExecArray)[1]));
  return path;
}

async function document<T>(args: readonly string[], ask: typeof mmun = mmun): Promise<{ readonly code: number | null; readonly json: T }> {
  const { code, out, err } = await ask([...args, '--json']);
  expect(err).toBe('');
  return { code, json: JSON.parse(out) as T };
}

describe('mmun check', () => {
  it('prints one document and exits with 1 where something is found', async () => {
    const { code, json } = await document<CheckReport>(['check', 'munmap-read'], mmunProcess);
    expect(code).toBe(1);
    expect(json).toMatchObject({ schema: 'mmun.check/1', race: 'munmap-read', variant: 'buggy', config: { arch: 'toy', design: 'v5', build: 'checked' }, ok: false });
    expect(json.findings.map((finding) => finding.code)).toEqual(['stale-translation']);
    const { code: again, json: replayed } = await document<CheckReport>(['check', 'munmap-read', '--replay', json.findings[0].replay]);
    expect([again, replayed.strategy, replayed.findings[0].steps]).toEqual([1, 'replay', json.findings[0].steps]);
  });

  it('exits with 0 where every interleaving is clean', async () => {
    const { code, json } = await document<CheckReport>(['check', 'munmap-read', '--variant', 'fixed', '--strategy', 'dpor']);
    expect(code).toBe(0);
    expect(json).toMatchObject({ strategy: 'dpor', exhaustive: true, findings: [], ok: true, preemptions: null });
  });

  it('takes the parameters of a race', async () => {
    const set = (protocol: string, pages: number): string[] => ['--set', `protocol=${protocol}`, '--set', `pages=${pages}`, '--strategy', 'dpor'];
    const orderings = async (protocol: string, pages: number): Promise<number> => (await document<CheckReport>(['check', 'unmap-fault', ...set(protocol, pages)])).json.executions;
    expect([await orderings('A', 1), await orderings('B', 1)]).toEqual([3, 52]);
  });

  it('tells a counterexample in columns that fit the screen', async () => {
    const { out } = await mmun(['check', 'cow-read']);
    const lines = out.split('\n');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(out).toMatch(/incoherent\n {2}kvm reads `0x1000`/);
    expect(out.replace(/\s+/g, ' ')).toContain('made the entry only then, from what it had looked up before');
    expect(out).toMatch(/ {6}dev0 +cpu0\n/);
    expect(out).toMatch(/holds mm\.mmap_sem\[1\]/);
    expect(out).toMatch(/again: mmun check cow-read --variant buggy \\?\s+--replay '\S+'/);
  });

  it('looks at no more preemptions than it was told', async () => {
    const { code, json } = await document<CheckReport>(['check', 'munmap-read', '--preemptions', '0']);
    expect([code, json.strategy, json.preemptions, json.findings, json.notes]).toEqual([0, 'bounded', 0, [], expect.arrayContaining(['proved up to 0 preemptions'])]);
  });

  it('says plainly that a search that was stopped is not exhaustive', async () => {
    const { code, out } = await mmun(['check', 'dontneed-write', '--variant', 'fixed', '--strategy', 'dpor', '--max-executions', '2']);
    expect(code).toBe(0);
    expect(out).toContain('nothing found: not exhaustive; dpor, 2 executions');
    expect(out).toContain('stopped after 2 executions: not exhaustive');
  });

  it('prints what was covered when it is interrupted', async () => {
    const long = ['check', 'unmap-fault', '--set', 'protocol=B', '--set', 'pages=3', '--set', 'faulters=4', '--set', 'unmappers=3', '--strategy', 'dpor', '--json'];
    const { code, out } = await mmunInterrupted(long, (outcome) => outcome.code !== null && (JSON.parse(outcome.out) as CheckReport).executions > 0);
    const report = JSON.parse(out) as CheckReport;
    expect([code, report.interrupted, report.exhaustive, report.ok]).toEqual([1, true, false, false]);
    expect(report.executions).toBeGreaterThan(0);
  });

  it('checks the race of docs/writing-a-race.md', async () => {
    const race = documentedRace();
    expect(readFileSync(race, 'utf8').split('\n').length).toBeLessThanOrEqual(26);
    const buggy = await document<CheckReport>(['check', race]);
    expect([buggy.code, buggy.json.race, buggy.json.findings.map((finding) => finding.code)]).toEqual([1, 'thrown-away-and-back', ['incoherent']]);
    const fixed = await document<CheckReport>(['check', race, '--variant', 'fixed']);
    expect([fixed.code, fixed.json.exhaustive, fixed.json.ok]).toEqual([0, true, true]);
  });

  it.each(([
    ['a task that nobody runs', (text) => text.replace('yield* t.madvise(a)', 't.madvise(a)'), /lazy-free\.race\.ts:17: `t\.madvise\(\.\.\)` without `yield\*` does nothing$/],
    ['a name that does not exist', (text) => text.replace('t.madvise(a)', 't.madvise(b)'), /lazy-free\.race\.ts:17: b is not defined$/],
    ['a call that does not exist', (text) => text.replace('t.mmap(1)', 't.mnap(1)'), /lazy-free\.race\.ts:11: t\.mnap is not a function$/],
    ['a syntax error', (text) => text.replace('t.madvise(a);', 't.madvise(a;'), /lazy-free\.race\.ts:17:\d+: /],
    ['a module that does not exist', (text) => text.replace('@mmun/races', '@mmun/rases'), /lazy-free\.race\.ts:2: Could not resolve "@mmun\/rases"$/],
    ['a missing part', (text) => text.replace('setup:', 'setap:'), /lazy-free\.race\.ts: `setup` is a function of `t`$/],
    ['no twin', (text) => text.replace('fixed:', 'other:'), /`variants` needs `buggy` and `fixed`: no race without its twin$/],
    ['an actor that returns no task', (text) => text.replace('=> t.dev.read(a)', '=> { t.dev.read(a); }'), /lazy-free\.race\.ts:20: `t\.dev\.read\(\.\.\)` without `yield\*` does nothing$/],
    ['an actor that returns something else', (text) => text.replace('=> t.dev.read(a)', '=> a'), /lazy-free\.race\.ts:?\d*: actor `dev0` returned no task: write `\* dev0\(t, s\) \{ yield\* \.\. \}`, or return what it calls$/],
    ['a call of an actor that does not exist', (text) => text.replace('t.madvise(a)', 't.madvize(a)'), /lazy-free\.race\.ts:17: t\.madvize is not a function$/],
    ['a call without a process', (text) => text.replace('* cpu0', '* cpux'), /a thread without a process makes a call of one: /],
    ['memory that does not fit', (text) => text.replace('t.mmap(1)', 't.mmap(100)'), /lazy-free\.race\.ts:11: t\.mmap\(\) fails in `setup`: ENOMEM$/],
    ['a size that no machine has', (text) => text.replace('setup:', 'config: { nrFrmaes: 3 }, setup:'), /`config` has nrFrmaes: expected nrCpus, /],
    ['no race at all', () => 'export default 3;\n', /the default export is no race: write `export default defineRace\(\{ \.\. \}\)`$/],
  ] as readonly (readonly [string, (text: string) => string, RegExp])[]).slice(0, later(1, 14)))('answers %s in the race with one line', async (_what, edit, line) => {
    expect(refusal(await mmun(['check', documentedRace(edit)]))).toMatch(line);
  });

  it.each<readonly [readonly string[], RegExp]>([
    [['munmap'], /no race is called "munmap" \(Did you mean one of munmap-read, munmap-write, hugetlb-munmap\?\): `mmun races` lists them/],
    [['no-such-file.ts'], /no-such-file\.ts: no such file$/],
    [['munmap-read', '--variant', 'wrong'], /--variant wrong: race `munmap-read` has the variants buggy, fixed, range, v5-gru, range-gru, range-xpmem$/],
    [['munmap-read', '--set', 'pages=2'], /--set pages=2: race `munmap-read` has the parameters writers$/],
    [['unmap-fault', '--set', 'pages=many'], /--set pages=many: expected a number, as 1$/],
    [['unmap-fault', '--set', 'protocol=E'], /--set protocol=E: expected A, B, C, D$/],
    [['unmap-fault', '--set', 'pages=0'], /--set pages=0: expected a whole number from 1 to 8$/],
    [['munmap-read', '--replay', 'nonsense'], /replay: `nonsense` is not place:thread$/],
  ])('refuses %j with one line', async (args, line) => {
    expect(refusal(await mmun(['check', ...args]))).toMatch(line);
  });
});

describe('mmun races', () => {
  it('has a row for each race, found and clean', async () => {
    const { code, json } = await document<RacesReport>(['races', '--filter', 'munmap-', '--jobs', '1']);
    expect([code, json.schema, json.ok]).toEqual([0, 'mmun.races/1', true]);
    expect(json.races.map(({ id, buggy, fixed }) => [id, buggy.found, buggy.code, buggy.preemptions, fixed.clean, fixed.exhaustive])).toEqual([
      ['munmap-read', true, 'stale-translation', 1, true, true], ['munmap-write', true, 'stale-translation', 1, true, true],
    ]);
  });

  it('refuses a filter that nothing fits', async () => {
    expect(refusal(await mmun(['races', '--filter', 'zzz']))).toMatch(/--filter zzz: no race has this in its name, title or source: `mmun races` lists all \d+$/);
  });
});
