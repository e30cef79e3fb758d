import { afterAll, expect, it } from '@jest/globals';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { mmun, newFolder, refusal, removeFolders, TRUE } from './mmun.js';
import { traceEvents as traceEventsOf } from '../src/report/trace-events.js';
import type { RunLog } from '../src/report/run-log.js';
import { traceFaults } from './trace-validator.js';

afterAll(removeFolders);

it('a run is written as a trace that Perfetto opens, with a flow for each event that told kvm something', async () => {
  const file = join(newFolder(), 'trace.json');
  const { code, err, out } = await mmun(['run', TRUE, '--plugin', 'kvm', '--trace', file, '--json']);
  expect({ code, isJson: out.startsWith('{') }).toEqual({ code: 0, isJson: true });
  expect(err).toMatch(/^wrote .*trace\.json: [\d,]+ trace events\n$/);
  const text = readFileSync(file, 'utf8');
  expect(traceFaults(text)).toEqual([]);
  const { traceEvents } = JSON.parse(text) as { traceEvents: { name: string; ph: string; args?: { calls?: number } }[] };
  const report = JSON.parse(out) as { notifier: Record<string, number>; recordings: { events: number }[] };
  expect(traceEvents.filter(({ ph, args }) => ph === 'X' && args?.calls === undefined)).toHaveLength(report.recordings[0]?.events as number);
  const told = traceEvents.reduce((sum, { args }) => sum + (args?.calls ?? 0), 0);
  expect(told).toBe(Object.values(report.notifier).reduce((sum, count) => sum + count, 0));
  expect(traceEvents.filter(({ ph }) => ph === 's').length).toBe(traceEvents.filter(({ args }) => args?.calls !== undefined).length);
});

it('a log whose effects are not in the order of the clock is a trace in that order, and no slice lies over another', () => {
  const event = { pid: 1, tid: 1, cpu: 0, name: 'munmap', start: 0, bytes: 0, line: 1, accesses: [], faults: [], calls: [{ plugin: 0, op: 'invalidate_page' }], dropped: [1] };
  const times = [5000, 4200, 4200, 9000, 9400, 9100];
  const log = { plugins: ['kvm'], events: times.map((timeNs, i) => ({ ...event, timeNs, cpu: i % 2 })) } as unknown as RunLog;
  expect(traceFaults(JSON.stringify({ traceEvents: traceEventsOf(log, 'two threads', 0) }))).toEqual([]);
});

it('the validator sees what is wrong', () => {
  const slice = { name: 'munmap', ph: 'X', pid: 1, tid: 0, ts: 5, dur: 1 };
  const track = { name: 'thread_name', ph: 'M', pid: 1, tid: 0, args: { name: 'CPU 0' } };
  const faultsOf = (...events: object[]): string[] => traceFaults(JSON.stringify({ traceEvents: events }));
  expect(faultsOf(track, slice)).toEqual([]);
  expect(faultsOf(slice)).toEqual(['event 0: track 1.0 has no name']);
  expect(faultsOf(track, { ...slice, ts: -1 }, { ...slice, dur: undefined })).toHaveLength(2);
  expect(faultsOf(track, slice, { ...slice, ts: 4 })).toEqual(['track 1.0: slice 1 begins before the one ahead of it']);
  expect(faultsOf(track, slice, { ...slice, ts: 5.5 })).toEqual(['track 1.0: slice 1 begins within the one ahead of it']);
  expect(faultsOf(track, slice, { name: 'n', ph: 's', pid: 1, tid: 0, ts: 5, id: 1 })).toEqual(['flow 1: its ends are s']);
  expect(faultsOf(track, slice, { name: 'n', ph: 's', pid: 1, tid: 0, ts: 6, id: 1 }, { name: 'n', ph: 'f', bp: 'e', pid: 1, tid: 0, ts: 5, id: 1 })).toEqual(['flow 1: end s lies on no slice']);
});

it('a place that cannot be written is one line, and so is a page that would be empty', async () => {
  const file = join(newFolder(), 'file');
  writeFileSync(file, '');
  expect(refusal(await mmun(['run', TRUE, '--trace', `${file}/trace.json`]))).toMatch(/--trace .*: cannot be written: a part of the path is no directory$/);
  const { code, err } = await mmun(['check', 'munmap-read', '--variant', 'fixed', '--strategy', 'dpor', '--max-executions', '1', '--report', join(newFolder(), 'page.html')]);
  expect([code, err]).toEqual([0, expect.stringMatching(/nothing was found, so there is nothing to draw/)]);
});
