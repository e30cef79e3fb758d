/** Right kernels, in which a file is mapped, moved or shared while a call of the whole file is under way. */
import type { MaySleep, Task, Vaddr } from '@mmun/include';
import { defineRace } from '@mmun/races';
import type { Race, RaceContext, RaceFile } from '@mmun/races';

interface Page {
  readonly a: Vaddr;
  readonly to: Vaddr;
  readonly file: RaceFile;
}

function* readTwice(t: RaceContext, { to }: Page): Task<MaySleep> {
  yield* t.read(to);
  yield* t.read(to);
}

function race(id: string, actors: Race<Page>['actors']): Race {
  return defineRace<Page>({
    id, title: 'a test', source: '', finds: ['stale-translation'], variants: { buggy: {}, fixed: {} }, config: { nrSwapSlots: 2 },
    setup: (t) => {
      const file = t.file();
      const a = t.mmap(1, { file, isShared: true });
      t.readOn(1, a);
      return { a, to: t.room(), file };
    },
    actors,
  }) as unknown as Race;
}

const FILE_CALLS = {
  truncate: (t: RaceContext, { file }: Page) => t.truncate(file), punch: (t: RaceContext, { file }: Page) => t.punchHole(file), writeback: (t: RaceContext, { file }: Page) => t.writeback(file),
} as const;

export const races: readonly Race[] = Object.entries(FILE_CALLS).flatMap(([name, other]) => [
  race(`${name}-moved`, { cpu0: (t, { a, to }) => t.mremap(a, to), other, cpu1: readTwice }),
  race(`${name}-mapped`, { cpu0: (t, { to, file }) => t.mmap(1, { at: to, file, isShared: true }), other, cpu1: readTwice }),
  race(`${name}-unmapped`, { cpu0: (t, { a }) => t.munmap(a), other, cpu1: (t, { a }) => t.read(a) }),
]);
