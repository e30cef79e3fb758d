// No false alarm where a file is mapped elsewhere by the time a call of the whole file comes to it.
import { join } from 'node:path';
import type { CheckReport } from '@mmun/races';
import { later } from '@mmun/test-support';
import { checkOwn } from '@mmun/test-support/linked-races';

jest.setTimeout(120_000);

const check = (id: string): Promise<CheckReport> => checkOwn(join(import.meta.dirname, 'file-races.ts'), id, { variant: 'fixed', strategy: 'stateful' });
const CALLS = ['truncate', 'punch', 'writeback'];

later(it.skip, it).each(CALLS.flatMap((call) => ['moved', 'mapped', 'unmapped'].map((how) => `${call}-${how}`)))('%s: clean in every interleaving', async (id) => {
  const { findings, exhaustive } = await check(id);
  expect({ codes: findings.map(({ code, message }) => `${code}: ${message}`), exhaustive }).toEqual({ codes: [], exhaustive: true });
});
