// Correct drivers stand. The kit has no mercy with what it does not know, so this is also where its own false alarms show.
import type { SecondaryMmu } from '@mmun/include';
import { findingText, runTorture } from '@mmun/plugin-kit';
import { gru } from '@mmun/plugin-gru';
import { kvm } from '@mmun/plugin-kvm';
import { xpmem } from '@mmun/plugin-xpmem';
import { effort, later } from '@mmun/test-support';
import { edited, removeEdited } from './edited.js';

afterAll(removeEdited);

describe.each<readonly [string, SecondaryMmu]>([['kvm', kvm], ['gru', gru], ['xpmem', xpmem]])('%s', (_name, plugin) => {
  it.each(effort(0, 1) === 1 ? [''] : [...later([], ['range-rule']), 'range-exit-write'])('stands: %s', async (filter) => {
    const { findings, rows } = await runTorture(plugin, { filter, findsAll: true, effort: 'quick' });
    expect(findings.map((finding) => findingText(finding))).toEqual([]);
    expect(rows.length).toBeGreaterThan(0);
  });
});

it('so does the driver that mmun new plugin writes', async () => {
  const { findings } = await runTorture(edited([]).plugin, { ...(effort(0, 1) === 1 ? {} : { filter: 'munmap-read' }), findsAll: true, effort: 'quick' });
  expect(findings.map((finding) => findingText(finding))).toEqual([]);
});

it('the same seed tells the same of the same driver', async () => {
  const { plugin } = edited([{ find: '    yield* put(x, row, 0);\n', replace: '' }]);
  const [one, two] = [await runTorture(plugin, { filter: 'random', seed: 3 }), await runTorture(plugin, { filter: 'random', seed: 3 })];
  expect(one.findings[0]?.replay).toMatch(/^(?:[a-zA-Z][0-9a-f]{2})+$/);
  expect(one.findings).toEqual(two.findings);
});
