/** What is true of page and pte when the hook comes: C6, C7, C8. */
import type { Vaddr } from '@mmun/include';
import type { Claim } from './claim.js';
import { clean, convicted } from './explored.js';
import { openBench } from './measure.js';
import { REAL } from './page-table-lock.js';

const BASE = 0x40000000;

const c6: Claim = {
  id: 'C6', text: '"the old page hasn\'t been freed yet"', means: 'Until invalidate_page is called the old page is not freed.',
  run: async (lab) => {
    const evidence = [];
    for (const call of ['munmap', 'dontneed', 'cow', 'mremap', 'reclaim', 'truncate', 'exit']) {
      evidence.push(await clean(lab, { race: `${call}-write`, variant: 'fixed', says: `${call} against a device that reads and writes` }));
    }
    evidence.push(await convicted(lab, { race: 'called-after-free', variant: 'buggy', says: 'the mutant, which is #v4: the range is reported when its pages are free' }));
    return { verdict: 'holds', by: 'No access of a device reached a free frame, at any of the sites that free pages, in any interleaving. In the order of #v4 one does.', evidence };
  },
};

const c7: Claim = {
  id: 'C7', text: '"the pte will have its final value"', means: 'Once the PT lock is left the pte has its final value.',
  run: async (lab) => {
    const rows: string[][] = [];
    let isFinal = true;
    for (const arch of REAL) {
      const image = await lab.image(arch);
      let inside = -1;
      const bench = openBench(image, { onCall: ({ op, start }, { m, mm }) => { if (op === 'invalidatePage') inside = image.primaryTranslation(m, mm, start); } });
      const { m, mm } = bench;
      bench.fill(bench.mmap(BASE, 1), 1);
      bench.run(image.sysClone(m, 0));
      bench.run(image.userWrite(m, BASE as Vaddr, 2));
      const after = image.primaryTranslation(m, mm, BASE as Vaddr);
      isFinal &&= inside === 0 && after % 2 === 1;
      rows.push([arch, inside === 0 ? 'empty' : 'a frame', after === 0 ? 'empty' : `the new page, ${after % 2 === 1 ? 'writable' : 'read only'}`]);
    }
    const evidence = [
      { kind: 'measured' as const, says: 'a break of copy-on-write: the pte', columns: ['arch', 'inside of invalidate_page', 'after the unlock'], rows },
      await clean(lab, { race: 'empty-inside', variant: 'fixed', says: 'a driver that demands an empty pte in each call' }),
      await convicted(lab, { race: 'empty-inside', variant: 'buggy', says: 'a driver that takes the value inside of the call for the final one' }),
    ];
    return { verdict: isFinal ? 'holds' : 'refuted', by: 'It has, at the unlock. Inside of the call it has not: the pte is empty there, so a driver that looks it up in its callback learns nothing.', evidence };
  },
};

const c8: Claim = {
  id: 'C8', text: '"If required set_page_dirty has to be called"', means: 'A device may write until it is told; what it wrote is not lost if the driver marks the page dirty in the call.',
  run: async (lab) => {
    const evidence = [
      await clean(lab, { race: 'dirty-handed-over', variant: 'fixed', says: 'a page of a file, a device that writes, MADV_DONTNEED' }),
      await clean(lab, { race: 'truncate-write', variant: 'fixed', says: 'the same against truncate' }),
      await convicted(lab, { race: 'dirty-handed-over', variant: 'buggy', says: 'the mutant: a driver that drops the entry and says nothing' }),
    ];
    return { verdict: 'holds', by: 'With the mark nothing is lost in any interleaving; without it the page would go back to disk unwritten. s390 needs no mark for devices whose accesses set storage keys.', evidence };
  },
};

export const freeing: readonly Claim[] = [c6, c7, c8];
