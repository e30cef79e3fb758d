import { MADV_COLLAPSE } from '@mmun/include';
import type { Call } from './call.js';

const READ_IMPLIES_EXEC = 0x400000;
const MMAP_PAGE_ZERO = 0x100000;
const ADDR_COMPAT_LAYOUT = 0x200000;
const ADDR_LIMITS = 0x800000 | 0x8000000;
const PERSONALITY_EFFECTS = READ_IMPLIES_EXEC | MMAP_PAGE_ZERO | ADDR_COMPAT_LAYOUT | ADDR_LIMITS;
const PERSONALITY_QUERY = 0xffffffff;
const MADV_HWPOISON = 100;
const MADV_SOFT_OFFLINE = 101;

/** prctl options that change an address space or what happens to it. include/uapi/linux/prctl.h */
const PRCTL_EFFECTS: ReadonlyMap<number, string> = new Map([
  [35, 'PR_SET_MM'], [41, 'PR_SET_THP_DISABLE'], [65, 'PR_SET_MDWE'], [67, 'PR_SET_MEMORY_MERGE'], [0x53564d41, 'PR_SET_VMA'],
]);

/** arch_prctl of x86: shadow stacks map memory. */
const ARCH_SHSTK_ENABLE = 0x5001;

/**
 * Why the model cannot follow this call, or null where it can or need not. A call
 * that failed changed nothing and is never listed, nor is one that asks only.
 */
export function unsupportedReason(call: Call): string | null {
  if (!(call.result >= 0)) return null;
  const [first, , third, fourth] = call.args;
  switch (call.name) {
    case 'madvise': return madviseReason(third);
    case 'process_madvise':
      return fourth === MADV_COLLAPSE ? 'a recording does not tell whose pages process_madvise collapsed' : madviseReason(fourth);
    case 'prctl': return PRCTL_EFFECTS.has(first) ? `the model does not do prctl(${PRCTL_EFFECTS.get(first) ?? ''})` : null;
    case 'arch_prctl': return first === ARCH_SHSTK_ENABLE ? 'the model has no shadow stacks' : null;
    case 'personality':
      return first < PERSONALITY_QUERY && (first & PERSONALITY_EFFECTS) !== 0 ? 'the model does not do personality(2)' : null;
    case 'pkey_mprotect': return fourth === -1 ? null : 'the model has no protection keys';
    case 'userfaultfd': case 'pkey_alloc':
    case 'map_shadow_stack': case 'io_setup':
      return `the model does not do ${call.name}(2)`;
    default: return null;
  }
}

function madviseReason(advice: number): string | null {
  if (advice === MADV_HWPOISON || advice === MADV_SOFT_OFFLINE) return 'the model has no memory failure (MADV_HWPOISON)';
  return null;
}
