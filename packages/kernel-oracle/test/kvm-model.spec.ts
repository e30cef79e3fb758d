import { describe, expect, it } from '@jest/globals';
import { kvm } from '@mmun/plugin-kvm';
import * as image from '@mmun/image/x86-range';
import { KVM_KINDS } from '../src/kvm-kinds.js';
import { KvmModel } from '../src/kvm-model.js';
import type { KvmImage } from '../src/kvm-model.js';
import { Random } from '../src/random.js';

/** The first of the slot, and all that the guest has touched. */
const GUEST_PAGES = 256;
/** What Linux 6.18 dropped of a guest's entries for pages 100 to 199, aside from what lies around a cut: the count, by what backs the slot. */
const MEASURED: Readonly<Record<string, readonly [anonymous: number | null, memfd: number | null]>> = {
  'munmap': [100, 100], 'mprotect PROT_READ': [100, 100], 'mprotect PROT_NONE': [100, 100], 'mprotect to what it is': [0, 0],
  'MADV_DONTNEED': [100, 100], 'MADV_COLD': [0, 0], 'MADV_WILLNEED': [0, 0], 'MADV_SEQUENTIAL': [0, 0], 'MADV_RANDOM': [0, 0], 'MADV_DONTFORK': [0, 0],
  'MADV_DONTDUMP': [0, 0], 'MADV_POPULATE_WRITE': [0, 0], 'MADV_GUARD_INSTALL': [100, 100], 'MADV_GUARD_REMOVE': [0, 0], 'mmap over it': [100, 100], 'mremap elsewhere': [100, 100], 'mlock': [0, 0], 'mlock2 MLOCK_ONFAULT': [0, 0],
  'munlock': [0, 0], 'msync': [0, 0], 'fork and exit': [GUEST_PAGES, 0], 'a write by the host': [0, 0], 'MADV_FREE': [100, null], 'MADV_WIPEONFORK': [0, null],
  'MADV_REMOVE': [null, 100], 'ftruncate': [null, GUEST_PAGES - 100],
};

describe('what the model drops is what the kernel was seen to drop', () => {
  const model = new KvmModel(image as unknown as KvmImage<ReturnType<typeof image.boot>>, kvm);
  it.each(KVM_KINDS.map((kind) => [kind.name, kind.backing, kind] as const))('%s, %s', (name, backing, kind) => {
    const sample = Array.from({ length: GUEST_PAGES }, (_, page) => page);
    const gone = model.dropped({ kind, sample, operations: kind.operations({ first: 100, end: 200 }, new Random(1)) });
    expect(gone.reduce((sum, one) => sum + one, 0)).toBe(MEASURED[name]?.[backing === 'anonymous' ? 0 : 1]);
    const inside = gone.slice(100, 200).reduce((sum, one) => sum + one, 0);
    expect(inside).toBe(Math.min(100, MEASURED[name]?.[backing === 'anonymous' ? 0 : 1] as number));
  });
});
