import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { appendFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { effort } from '@mmun/test-support';
import { copyOfTrue, DEMO, mmun, mmunInterrupted, mmunProcess, newFolder, refusal, removeFolders, TRUE } from './mmun.js';
import type { Outcome } from './mmun.js';

afterAll(removeFolders);

const WITH_KVM = ['--plugin', 'kvm', '--device-rate', '0.5'];

/** The keys of the contract with the kind of value behind each; a list shows its first element. */
const CONTRACT = {
  schema: 'mmun.run/1',
  config: { arch: 'x86', design: 'v5', build: 'checked' },
  recordings: [{
    name: 'demo',
    processes: [{
      pid: 0, command: '', calls: {}, faults: 0, addresses: { asked: 0, equal: 0 }, errnos: { checked: 0, equal: 0 },
      maps: { compared: true, equal: true, firstDifference: null }, anonymous: { rows: 0, equal: 0, firstDifference: null },
      vmFlags: { rows: 0, equal: 0, firstDifference: null }, rss: { rows: 0, equal: 0 },
    }],
  }],
  notifier: { invalidatePage: 0, invalidatePages: 0, agePage: 0, release: 0, invalidateRangeStart: 0, invalidateRangeEnd: 0 },
  secondary: [{ plugin: 'kvm', faults: 0, accesses: 0, hits: 0, invalidations: 0, pins: 0 }],
  findings: [], skipped: [], elapsedMs: 0, ok: true,
};

/** Where `value` lacks what `shape` has, or has another kind of value there. */
function lacks(shape: unknown, value: unknown, path: string): string[] {
  if (Array.isArray(shape)) {
    if (!Array.isArray(value)) return [path];
    return shape.length === 0 ? [] : value.flatMap((item, i) => lacks(shape[0], item, `${path}[${i}]`));
  }
  if (shape === null) return value === null ? [] : [path];
  if (typeof shape !== 'object') return typeof value === typeof shape ? [] : [path];
  return Object.entries(shape).flatMap(([key, inner]) =>
    typeof value === 'object' && value !== null && key in value ? lacks(inner, value[key as keyof typeof value], `${path}.${key}`) : [`${path}.${key}`]);
}

describe('the sample', () => {
  let kvm: Outcome;
  let off: Outcome;
  let fast: Outcome;
  let eyes: Outcome;
  beforeAll(async () => {
    [kvm, off] = await Promise.all([mmun(['run', DEMO, '--json', ...WITH_KVM]), mmun(['run', DEMO, '--json', '--design', 'off'])]);
    [fast, eyes] = await Promise.all([mmun(['run', DEMO, '--json', '--build', 'fast', ...WITH_KVM]), mmunProcess(['run', DEMO, ...WITH_KVM], { env: { CI: 'true' } })]);
  });

  it('comes out as the kernel left it, with KVM attached and nothing stale', () => {
    const report = JSON.parse(kvm.out);
    expect({ code: kvm.code, err: kvm.err, ok: report.ok, findings: report.findings, skipped: report.skipped }).toEqual({
      code: 0, err: '', ok: true, findings: [], skipped: [] });
    expect(lacks(CONTRACT, report, '')).toEqual([]);
    for (const process of report.recordings[0].processes) {
      expect(process).toMatchObject({ maps: { compared: true, equal: true }, addresses: { equal: process.addresses.asked }, errnos: { equal: process.errnos.checked } });
      expect(process.anonymous.equal).toBe(process.anonymous.rows);
      expect(process.vmFlags.equal).toBe(process.vmFlags.rows);
    }
    expect(report.notifier.release).toBeGreaterThan(0);
    expect(report.secondary[0].invalidations).toBeGreaterThan(0);
    expect(report.secondary[0].hits).toBeGreaterThan(0);
  });

  it('comes out the same without notifiers, whose counts are absent', () => {
    const report = JSON.parse(off.out);
    expect(off.code).toBe(0);
    expect(report.config).toEqual({ arch: 'x86', design: 'off', build: 'checked' });
    expect('notifier' in report).toBe(false);
    const maps = (text: string): unknown => JSON.parse(text).recordings[0].processes.map((process: { pid: number; maps: unknown }) => [process.pid, process.maps]);
    expect(maps(off.out)).toEqual(maps(kvm.out));
  });

  it('comes out the same in the fast build, to the last access of the device', () => {
    const [a, b] = [JSON.parse(kvm.out), JSON.parse(fast.out)];
    expect(b.config.build).toBe('fast');
    expect([b.recordings[0].processes, b.notifier, b.secondary]).toEqual([a.recordings[0].processes, a.notifier, a.secondary]);
  });

  it('is told in eighty columns without colour where nobody looks, ending in a verdict', () => {
    expect(eyes.err).toBe('');
    expect(eyes.out).not.toContain('\u001b');
    const lines = eyes.out.trimEnd().split('\n');
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
    expect(lines.at(-1)).toMatch(/^equal: 5 processes, \d+ addresses, \d+ errnos, \d+ rows, no finding \(.* s\)$/);
    expect(eyes.out).toMatch(/invalidate_page +[\d,]+ +faults +[\d,]+\n/);
  });
});

describe.each([['s390', 'range'], ['generic', 'v5'], ['x86', 'range'], ['s390', 'v5']].slice(0, effort(1, 4)) as [string, string][])('the sample on %s with %s', (arch, design) => {
  it('comes out as on x86: the same maps, flags and pages, with KVM attached', async () => {
    const { code, out, err } = await mmun(['run', DEMO, '--json', '--arch', arch, '--design', design, ...WITH_KVM]);
    const report = JSON.parse(out);
    expect({ code, err, config: report.config, findings: report.findings }).toEqual({ code: 0, err: '', config: { arch, design, build: 'checked' }, findings: [] });
    const [{ folded, processes }] = report.recordings;
    expect(folded).toBe(arch === 's390');
    for (const { addresses, errnos, maps, anonymous, vmFlags } of processes) {
      expect(maps).toMatchObject({ compared: true, equal: true });
      expect([addresses.equal, errnos.equal, anonymous.equal, vmFlags.equal]).toEqual([addresses.asked, errnos.checked, anonymous.rows, vmFlags.rows]);
    }
    expect(report.notifier.invalidateRangeStart).toBe(report.notifier.invalidateRangeEnd);
    expect(report.notifier.invalidateRangeStart > 0).toBe(design === 'range');
  });
});

describe('a recording that the model does not reproduce', () => {
  it('exits with 1 and shows the place as a diff of maps', async () => {
    const folder = copyOfTrue();
    const maps = join(folder, 'maps.26928.end');
    writeFileSync(maps, readFileSync(maps, 'utf8').replace(/^(\S+ )rw-p(.*\/usr\/bin\/true)$/m, '$1rwxp$2'));
    const coloured = await mmunProcess(['run', folder], { env: { FORCE_COLOR: '1' } });
    const out = coloured.out.replaceAll('\u001b', 'ESC');
    expect(coloured.code).toBe(1);
    expect(out).toMatch(/ESC\[31m- [0-9a-f-]+ rwxp \S+ fe:00 260958 \/usr\/bin\/true/);
    expect(out).toMatch(/ESC\[32m\+ [0-9a-f-]+ rw-p \S+ fe:00 260958 \/usr\/bin\/true/);
    expect(out.trimEnd().split('\n').at(-1)).toContain('different: 1 of 1 process differ');
  });
});

describe('a damaged recording', () => {
  /** The one entry of `skipped` that is no consequence of another. */
  async function skippedOf(damage: (folder: string) => void): Promise<string[]> {
    const folder = copyOfTrue();
    damage(folder);
    const { code, out, err } = await mmun(['run', folder, '--json']);
    expect({ err, isJson: out.startsWith('{') }).toEqual({ err: '', isJson: true });
    expect([0, 1]).toContain(code);
    return JSON.parse(out).skipped.map(({ file, line, reason }: { file: string; line: number; reason: string }) => `${file}:${line}: ${reason}`);
  }
  const trace = (folder: string): string => join(folder, 'trace.strace');

  it('a cut line', async () => {
    expect(await skippedOf((folder) => appendFileSync(trace(folder), '26928 1795363814.600000000 mmap(NULL, 81'))).toEqual([
      'copy/trace.strace:21: cut line: expected the rest of mmap']);
  });

  it('binary garbage', async () => {
    const lines = await skippedOf((folder) => appendFileSync(join(folder, 'events.perf'), Buffer.from([0, 255, 7, 10, 0, 1, 2, 10])));
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/^copy\/events\.perf:\d+: expected `COMM PID\/TID TIME: EVENT`$/);
  });

  it('an unknown call', async () => {
    expect(await skippedOf((folder) => appendFileSync(trace(folder), '26928 1795363814.400000000 mmap9(NULL) = 0\n'))).toEqual([
      'copy/trace.strace:21: unknown system call mmap9']);
  });

  it('maps that stop within a row', async () => {
    const lines = await skippedOf((folder) => {
      const maps = join(folder, 'maps.26928.end');
      writeFileSync(maps, readFileSync(maps).subarray(0, 1000));
    });
    expect(lines[0]).toMatch(/^copy\/maps\.26928\.end:\d+: cut line/);
  });

  it('the maps of another process', async () => {
    const other = readFileSync(join(DEMO, 'maps.24111.end'));
    const lines = await skippedOf((folder) => writeFileSync(join(folder, 'maps.26928.end'), other));
    expect(lines).toEqual([expect.stringMatching(/^copy\/maps\.26928\.end:\d+: of another process: its \[stack\] ends at/)]);
  });

  it('an empty file, a missing file', async () => {
    expect(await skippedOf((folder) => writeFileSync(join(folder, 'files'), ''))).toEqual(['copy/files:0: empty file']);
    expect(await skippedOf((folder) => rmSync(join(folder, 'elf')))).toEqual([expect.stringMatching(/^copy\/elf:0: missing: the true length/)]);
    expect(await skippedOf((folder) => rmSync(join(folder, 'maps.26928.end')))).toEqual([
      'copy/maps.26928.end:0: missing: process 26928 was read, and its maps cannot be compared']);
    const emptied = copyOfTrue();
    writeFileSync(trace(emptied), '');
    expect(refusal(await mmun(['run', emptied]))).toMatch(/^mmun run: .*copy\/trace\.strace: empty: expected the output of strace -f$/);
    rmSync(trace(emptied));
    expect(refusal(await mmun(['run', emptied, '--json']))).toMatch(/^mmun run: .*copy\/trace\.strace: missing: expected the output of strace -f$/);
  });

  it('poorer than it could be: what is missing is said', async () => {
    const folder = copyOfTrue();
    rmSync(join(folder, 'events.perf'));
    const { code, out } = await mmun(['run', folder]);
    expect(code).not.toBe(2);
    expect(out).toMatch(/missing: events\.perf: no faults/);
  });
});

describe('interrupted', () => {
  it('prints what was done until then, says so, and exits with 1', async () => {
    const log = join(newFolder(), 'long.strace');
    writeFileSync(log, '1 1700000000.000000000 execve("/a", ["a"], 0x1 /* 1 var */) = 0\n');
    const pair = Array.from({ length: 5000 }, () => '1 1700000000.000100000 mmap(NULL, 4096, 0x3, 0x22, -1, 0) = 0x7f0000000000\n1 1700000000.000200000 munmap(0x7f0000000000, 4096) = 0\n').join('');
    for (let i = 0; i < 80; i++) appendFileSync(log, pair);
    const { code, out, err } = await mmunInterrupted(['run', log, '--json'], (outcome) => outcome.code !== null);
    expect({ code, err }).toEqual({ code: 1, err: 'interrupted: the result holds what was replayed so far\n' });
    expect(JSON.parse(out)).toMatchObject({ interrupted: true, ok: false });
  });
});

describe('the smallest sample', () => {
  it('is the same for one seed, and --seed is part of the report', async () => {
    const run = async (): Promise<unknown> => {
      const report = JSON.parse((await mmun(['run', TRUE, '--json', '--plugin', 'kvm', '--device-rate', '3', '--seed', '42'])).out);
      expect(report.seed).toBe(42);
      return [report.notifier, report.secondary];
    };
    expect(await run()).toEqual(await run());
  });

  it.each(['v5', 'range'])('takes several devices at once under design %s, each as far as the process goes', async (design) => {
    const { code, out } = await mmun(['run', TRUE, '--json', '--design', design, '--plugin', 'kvm,kvm:pinned,gru,gru:polling', '--device-rate', '3']);
    const { findings, secondary } = JSON.parse(out) as { findings: unknown[]; secondary: { plugin: string; hits: number; invalidations: number; pins: number }[] };
    expect([code, findings]).toEqual([0, []]);
    expect(secondary.map(({ plugin }) => plugin)).toEqual(['kvm', 'kvm:pinned', 'gru', 'gru:polling']);
    expect(new Set(secondary.map(({ hits }) => hits)).size).toBe(1);
    for (const { plugin, hits, invalidations, pins } of secondary) expect([plugin, hits > 50, invalidations > 0, pins > 0]).toEqual([plugin, true, true, plugin === 'kvm:pinned']);
  });
});
