/** What is written must be read again, by the process and by its devices, and by nobody else. */
import { READ, WRITE } from '@mmun/include';
import type { Mm, Vaddr } from '@mmun/include';
import type { Report } from '@mmun/explorer';
import { KNOWN, KNOWN_SINCE_FORK, UNKNOWN, UNTRACKED, busyWhere, ghostOf, pageRow, spaceWhere, valueWhere } from './ghost.js';
import { Violation, pageVanished, readsOther, readsRelative } from './reports.js';
import type { WatchedImage, WatchedMachine } from './watched.js';

/** `who` has written; in the step of the access. */
export function noteWrite(m: WatchedMachine, mm: Mm, address: Vaddr, value: number): void {
  const ghost = ghostOf(m);
  const row = pageRow(mm, address);
  if (m.bootConfig.pageContentWords !== 1 || ghost.page.known[row] === UNTRACKED) return;
  m.sched.touch(WRITE, valueWhere(ghost, row));
  m.sched.touch(READ, spaceWhere(ghost, mm));
  m.sched.touch(READ, busyWhere(ghost, row));
  ghost.page.value[row] = value;
  ghost.page.address[row] = address;
  ghost.page.known[row] = ghost.page.discarding[row] > 0 ? UNKNOWN : ghost.space.forking[mm] > 0 ? KNOWN_SINCE_FORK : KNOWN;
}

/** `who` has read `value`; in the step of the access. */
export function judgeRead(m: WatchedMachine, who: string, mm: Mm, address: Vaddr, value: number): void {
  const ghost = ghostOf(m);
  const { page, space } = ghost;
  const row = pageRow(mm, address);
  if (m.bootConfig.pageContentWords !== 1 || page.known[row] === UNTRACKED) return;
  m.sched.touch(READ, valueWhere(ghost, row));
  if (page.known[row] !== UNKNOWN) {
    if (page.value[row] !== value) throw new Violation(mismatch(m, who, mm, address, value));
    return;
  }
  m.sched.touch(READ, spaceWhere(ghost, mm));
  m.sched.touch(READ, busyWhere(ghost, row));
  if (page.busy[row] === 0 && space.busy[mm] === 0) {
    // from now on it must stay what it is
    m.sched.touch(WRITE, valueWhere(ghost, row));
    page.value[row] = value;
    page.address[row] = address;
    page.known[row] = KNOWN;
  }
}

/** At rest: what is in memory is what was written. */
export function auditContents<M extends WatchedMachine>(image: WatchedImage<M>, m: M, report: (found: Report) => void): void {
  const { page } = ghostOf(m);
  if (m.bootConfig.pageContentWords !== 1) return;
  for (let row = 0; row < page.known.length; row++) {
    if (page.known[row] !== KNOWN && page.known[row] !== KNOWN_SINCE_FORK) continue;
    const mm = Math.floor(row / pageRow(1 as Mm, 0 as Vaddr)) as Mm;
    const address = page.address[row] as Vaddr;
    const area = image.vmaAfter(m, mm, address);
    if (area === null || area.start > address || (area.vmFlags & ACCESSIBLE) === 0) continue;
    const value = image.wordAt(m, mm, address) >>> 0;
    if (value === page.value[row]) continue;
    report(image.primaryTranslation(m, mm, address) === 0 && value === 0 ? pageVanished(mm, address, page.value[row]) : mismatch(m, 'the process', mm, address, value));
  }
}

/** VM_READ | VM_WRITE | VM_EXEC */
const ACCESSIBLE = 7;

/** The wrong value: someone else's, or just not the last one. */
function mismatch(m: WatchedMachine, who: string, mm: Mm, address: Vaddr, got: number): Report {
  const { page, space } = ghostOf(m);
  for (let other = 1; other < space.parent.length; other++) {
    if (other === mm || (space.parent[other] !== mm && space.parent[mm] !== other)) continue;
    const row = pageRow(other as Mm, address);
    if (page.known[row] !== UNKNOWN && page.value[row] === got) return readsRelative(who, mm, address, got, other as Mm);
  }
  return readsOther(who, mm, address, got, page.value[pageRow(mm, address)]);
}
