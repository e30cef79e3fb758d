// Huge pages: v5 is blind to fork, COW and mprotect of them and names one page of many; the range design of 4.12 forgets what a shared table spans.
import { catalogue } from '@mmun/races';
import { effort } from '@mmun/test-support';
import { checkKnown as check } from '@mmun/test-support/linked-races';

jest.setTimeout(120_000);

/** In the order of what they cost: all orderings of the last ones take long, and run where all is looked at. */
const ids = ['hugetlb-mprotect', 'hugetlb-fork', 'hugetlb-cow', 'hugetlb-munmap', 'hugetlb-unshare-range'];

it.each(ids.slice(0, effort(2, ids.length)))('%s is convicted where it is wrong', async (id) => {
  const { findings } = await check(id, { variant: 'buggy' });
  expect(catalogue.find((race) => race.id === id)?.finds).toContain(findings[0]?.code);
  expect(findings[0]?.minimal).toBe(true);
});

it.each(ids.slice(0, effort(1, ids.length)))('%s is clean in every interleaving where it is right', async (id) => {
  const { findings, exhaustive } = await check(id, { variant: 'fixed' });
  expect({ findings, exhaustive }).toEqual({ findings: [], exhaustive: true });
});
