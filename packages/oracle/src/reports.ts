/** Every sentence that a finding is made of. The code is the contract, the words may change. */
import type { Mm, Pfn, Vaddr } from '@mmun/include';
import type { Report } from '@mmun/explorer';
import type { Code } from './codes.js';

/** Thrown inside of the thread that did it, as the kernel's own bugs are; explorers know it by its name and code. */
export class Violation extends Error {
  readonly code: Code;
  constructor({ code, message }: Report) {
    super(message);
    this.name = 'KernelBug';
    this.code = code as Code;
  }
}

/** An access or an entry: whose, and what it reaches. */
export interface Reach {
  /** `kvm`, `cpu 1` */
  readonly who: string;
  readonly mm: Mm;
  readonly address: Vaddr;
  readonly pfn: Pfn;
  readonly isWrite: boolean;
}

const hex = (address: number): string => `\`0x${address.toString(16)}\``;
const access = ({ who, mm, address, pfn, isWrite }: Reach): string => `${who} ${isWrite ? 'writes' : 'reads'} ${hex(address)} of mm ${mm} and reaches frame ${pfn}`;
const entry = ({ who, mm, address, pfn, isWrite }: Reach): string => `${who} has ${isWrite ? 'a writable entry' : 'an entry'} for ${hex(address)} of mm ${mm} that leads to frame ${pfn}`;
const now = (primary: number): string => (primary === 0 ? 'nothing' : `frame ${Math.floor(primary / 2)}${primary % 2 === 1 ? '' : ', read only'}`);

const report = (code: Code, message: string): Report => ({ code, message });

export const reachesFreeFrame = (reach: Reach): Report => report('stale-translation', `${access(reach)}, which is free`);
export const reachesDeadSpace = (reach: Reach): Report => report('stale-translation', `${access(reach)}, and that address space has ended`);
export const staleAfter = (reach: Reach, call: string, primary: number): Report =>
  report('stale-after-return', `${call} had returned when ${access(reach)}; the process has ${now(primary)} there`);
export const writesReadOnly = (reach: Reach): Report => report('excess-permission', `${access(reach)}, and the pte forbids writing`);
export const viewsDiffer = (reach: Reach, primary: number): Report => report('incoherent', `${access(reach)}; the process has ${now(primary)} there, and nothing is changing it`);

export const entryOfFreeFrame = (reach: Reach): Report => report('stale-translation', `at rest ${entry(reach)}, which is free`);
export const entryOfNothing = (reach: Reach): Report => report('stale-translation', `at rest ${entry(reach)}, and the process has nothing there`);
export const entryDiffers = (reach: Reach, primary: number): Report => report('incoherent', `at rest ${entry(reach)}, and the process has ${now(primary)} there`);
export const entryExceeds = (reach: Reach): Report => report('excess-permission', `at rest ${entry(reach)}, and the pte forbids writing`);

export const readsOther = (who: string, mm: Mm, address: Vaddr, got: number, expected: number): Report =>
  report('lost-write', `${who} reads ${got} at ${hex(address)} of mm ${mm}, where ${expected} was written last`);
export const readsRelative = (who: string, mm: Mm, address: Vaddr, got: number, other: Mm): Report =>
  report('cow-leak', `${who} reads ${got} at ${hex(address)} of mm ${mm}: mm ${other} wrote that, to its own private page`);
export const pageVanished = (mm: Mm, address: Vaddr, expected: number): Report => report('lost-write', `the page at ${hex(address)} of mm ${mm} is gone, and with it the ${expected} written to it`);
export const dirtyForgotten = (pfn: Pfn): Report => report('lost-dirty', `frame ${pfn}, a page of a file, was written to; no entry of a device is left and neither a pte nor the page is dirty`);
export const freedUnwritten = (pfn: Pfn, at: number, expected: number, got: number): Report =>
  report('lost-dirty', `frame ${pfn} was freed as if it were clean: at ${hex(at)} of its file ${expected} was written last, and ${got} is read`);

export const usesFreeFrame = (who: string, what: string, pfn: Pfn): Report => report('use-after-free', `${who} calls ${what} for frame ${pfn}, which is free`);
export const opAfterClose = (driver: string, op: string, instance: number): Report =>
  report('callback-after-unregister', `${op} runs for instance ${instance} of ${driver}, which was closed: destroy() had returned`);
export const closedUnderOp = (driver: string, instance: number): Report =>
  report('callback-after-unregister', `destroy() of instance ${instance} of ${driver} returns while one of its ops is running`);
export const neverReleased = (driver: string, instance: number, mm: Mm): Report =>
  report('missed-release', `mm ${mm} has ended and instance ${instance} of ${driver}, which follows it, was never told`);
export const spaceLeaked = (mm: Mm, users: number): Report => report('refcount-leak', `no thread is left in mm ${mm}, and \`mm_users\` is still ${users}`);

export const usesFreedRow = (column: string, row: number): Report => report('use-after-free', `\`${column}\` of row ${row} is used, and the row was freed`);

const span = (start: number, end: number): string => `${hex(start)} up to ${hex(end)}`;
export const endsWithoutStart = (instance: number, start: Vaddr, end: Vaddr): Report => report('unbalanced-range', `invalidate_range_end of ${span(start, end)} reaches instance ${instance}, which was told of no start`);
export const endsOther = (instance: number, from: Vaddr, to: Vaddr, start: Vaddr, end: Vaddr): Report =>
  report('unbalanced-range', `instance ${instance} was told that ${span(from, to)} starts, and the end names ${span(start, end)}`);
export const neverEnds = (instance: number, start: Vaddr, end: Vaddr): Report => report('unbalanced-range', `instance ${instance} was told that ${span(start, end)} starts, and never that it ends`);

export const livelock = (who: string, address: Vaddr, tries: number): Report =>
  report('retry-livelock', `${who} faulted ${tries} times at ${hex(address)}, was told to try again each time, and nothing was changing the page`);

export const lockCircle = (order: readonly string[]): Report => report('lock-order', `each of these is taken while the one before is held: ${order.join(' > ')}`);
export const unordered = (field: string, first: string, second: string): Report => report('data-race', `${first} and ${second} use \`${field}\` and nothing orders them`);

/** What a finding about a translation is about. */
export interface Place {
  readonly who: string;
  readonly mm: Mm;
  readonly address: Vaddr;
  readonly pfn: Pfn;
}

/** Reads it out of the sentences above; null where a finding is about something else. */
export function placeOf(message: string): Place | null {
  const match = /(?:^|when |at rest )([\w-]+(?: \d+)?) (?:reads|writes|has an? (?:writable )?entry for) `0x([0-9a-f]+)` of mm (\d+) and reaches frame (\d+)/.exec(message)
    ?? /(?:^|at rest )([\w-]+(?: \d+)?) has an? (?:writable )?entry for `0x([0-9a-f]+)` of mm (\d+) that leads to frame (\d+)/.exec(message);
  if (match === null) return null;
  const [, who = '', address = '0', mm = '0', pfn = '0'] = match;
  return { who, mm: Number(mm) as Mm, address: Number.parseInt(address, 16) as Vaddr, pfn: Number(pfn) as Pfn };
}
