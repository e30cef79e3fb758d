/** Flags and values as C spells them. */
import * as uapi from '@mmun/include';

export type FlagNames = readonly (readonly [name: string, value: number])[];

export const PROT_NAMES: FlagNames = named('PROT_', ['PROT_NONE']);
/** MAP_TYPE is a mask; the three types come first, since they share bits. */
export const MAP_NAMES: FlagNames = [
  ['MAP_SHARED_VALIDATE', uapi.MAP_SHARED_VALIDATE], ...named('MAP_', ['MAP_TYPE', 'MAP_SHARED_VALIDATE']),
];
export const MREMAP_NAMES: FlagNames = named('MREMAP_', []);
export const MS_NAMES: FlagNames = named('MS_', []);
export const MLOCK_NAMES: FlagNames = named('MLOCK_', []);
export const MCL_NAMES: FlagNames = named('MCL_', []);
export const ADVICE_NAMES: FlagNames = named('MADV_', []);

export const RLIMIT_NAMES: FlagNames = [['RLIMIT_DATA', 2], ['RLIMIT_STACK', 3], ['RLIMIT_MEMLOCK', 8], ['RLIMIT_AS', 9]];

/** `PROT_READ|PROT_WRITE|0x100` */
export function flagText(names: FlagNames, none: string): (value: number) => string {
  return (value) => {
    if (value === 0) return none;
    if (value >= 2 ** 31) return `0x${value.toString(16)}`;
    const parts: string[] = [];
    let rest = value;
    for (const [name, bits] of names) {
      if ((rest & bits) !== bits) continue;
      parts.push(name);
      rest &= ~bits;
    }
    return [...parts, ...(rest === 0 ? [] : [`0x${rest.toString(16)}`])].join('|');
  };
}

export function valueText(names: FlagNames): (value: number) => string {
  return (value) => names.find(([, known]) => known === value)?.[0] ?? String(value);
}

/** Two letters of smaps for each bit of vm_flags that it shows. fs/proc/task_mmu.c, show_smap_vma_flags() */
export const VM_FLAG_LETTERS: readonly string[] = [
  'rd', 'wr', 'ex', 'sh', 'mr', 'mw', 'me', 'ms', 'gd', 'um', 'pf', 'gu', 'dp', 'lo', 'io', 'sr', 'rr', 'dc', 'de', 'lf', 'ac', 'nr', 'ht', 'sf', 'sl', 'wf', 'dd',
  'sd', 'mm', 'hg', 'nh', 'mg',
];

function named(prefix: string, without: readonly string[]): FlagNames {
  return Object.entries(uapi).filter((entry): entry is [string, number] => entry[0].startsWith(prefix) && typeof entry[1] === 'number' && !without.includes(entry[0]));
}
