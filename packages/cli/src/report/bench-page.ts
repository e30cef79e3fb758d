/** `mmun bench --write`: the table as Markdown, with what it was measured on and what it leaves out. */
import type { ScaleReport } from '../bench/scale.js';
import type { BenchReport } from '../commands/bench.js';

export function benchPage({ rows, meanRatio, kernel, machine, node, samples, date, scale }: BenchReport): string {
  const percent = (part: number): string => `${(part * 100).toFixed(0)} %`;
  return [
    '# Model against kernel',
    '',
    'Written by `mmun bench --write BENCH.md`; do not edit.',
    '',
    `${date}, ${machine}, Linux ${kernel}, node ${node}. Medians of ${samples} samples of each row, taken in turn: kernel, model, floor.`,
    '',
    '| operation, ns each | model | kernel | times as fast | floor | over the floor | spread: model | kernel | CPU time: model | kernel |',
    '|---|---|---|---|---|---|---|---|---|---|',
    ...rows.map((row) => `| ${row.name}, a ${row.unit} | ${ns(row.modelNs)} | ${ns(row.kernelNs)} | ${row.ratio.toFixed(1)} | ${ns(row.floorNs)} | ${row.overFloor.toFixed(1)} `
      + `| ${percent(row.modelSpread)} | ${percent(row.kernelSpread)} | ${ns(row.modelCpuNs)} | ${ns(row.kernelCpuNs)} |`),
    '',
    `Geometric mean: the model is ${meanRatio.toFixed(1)} times as fast.`,
    '',
    '- The model does not do what costs the kernel most: it zeroes no page, copies a word where the kernel copies a page, takes no trap, changes no',
    '  privilege level, sends no interrupt. What it does do is the same: the same tables, counts, lists and decisions.',
    '- The floor is a bare loop over typed arrays with the same updates and nothing around them: no lookup of a VMA, no walk, no lock.',
    '- What is over too soon for a clock is done several times in one sample: by the kernel 10 times, by the model and the floor up to 200 times.',
    '- Spread is the distance from the first to the third quartile, as a part of the median. Times of one run compare with each other, not with',
    '  those of another day.',
    '- The time of fork is from before the call to the child\'s first instruction, less that of a fork with nothing mapped.',
    '',
    ...(scale === undefined ? [] : scalePage(scale)),
  ].join('\n');
}

function scalePage({ vmas, pages, processes, replays }: ScaleReport): string[] {
  return [
    '## Cost against size',
    '',
    'The model alone.',
    '',
    '| VMAs in one mm | find, ns | munmap and mmap of one, ns | mmap anywhere and munmap, ns | model memory, bytes each |',
    '|---|---|---|---|---|',
    ...vmas.map((row) => `| ${count(row.vmas)} | ${ns(row.findNs)} | ${ns(row.munmapMmapNs)} | ${ns(row.anywhereNs)} | ${row.bytesEach.toFixed(0)} |`),
    '',
    '| present pages | write fault, ns | munmap, ns a page | model memory, bytes each |',
    '|---|---|---|---|',
    ...pages.map((row) => `| ${count(row.pages)} | ${ns(row.writeFaultNs)} | ${ns(row.munmapNs)} | ${row.bytesEach.toFixed(1)} |`),
    '',
    '| processes forked from one parent | fork, ns | exit, ns | model memory, bytes each |',
    '|---|---|---|---|',
    ...processes.map((row) => `| ${count(row.processes)} | ${ns(row.forkNs)} | ${ns(row.exitNs)} | ${row.bytesEach.toFixed(0)} |`),
    '',
    '| recording | events | events a second | a second of CPU time | most of the heap, MB |',
    '|---|---|---|---|---|',
    ...replays.map((row) => `| ${row.name} | ${count(row.events)} | ${count(Math.round(row.eventsASecond))} | ${count(Math.round(row.eventsACpuSecond))} | ${(row.peakHeapBytes / 1e6).toFixed(1)} |`),
    '',
    '- Each VMA stands alone, with a gap before and behind it. Each process has 64 pages of its parent and tables of its own for them.',
    '- A page has a pte, a word of content, and columns for what the kernel keeps in struct page and its allocator.',
    '- A recording is read, put in order, replayed and compared; the repetitions are processes of their own, one after the other.',
    '',
  ];
}

function ns(value: number): string {
  return value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
}

/** 1 000 000 as 1,000,000. */
function count(value: number): string {
  return value.toLocaleString('en');
}
