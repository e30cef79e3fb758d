/**
 * KVM as its authors had it in January 2008: the fault looks the page up with a reference, lets the PT lock go, and makes
 * the entry then. An invalidation that falls between the two finds nothing to drop, and the entry outlives it.
 *
 * @models 20080409144401.GT10133@duo.random, where the author of #v5 describes it himself, ten weeks later
 */
import type { InstallEntry, KernelServices, MaySleep, Mm, Pfn, Step, Task, Vaddr } from '@mmun/include';
import { kvm } from '@mmun/plugin-kvm';
import type { KvmMmu } from '@mmun/plugin-kvm';

type LateInstall = (...args: Parameters<InstallEntry>) => Task<Step, number>;

export const lookupThenInstall: KvmMmu = {
  ...kvm,
  attach: (s: KernelServices) => kvm.attach({
    ...s,
    * withPte(mm: Mm, address: Vaddr, isWrite: boolean, install: InstallEntry, cookie: number): Task<MaySleep, number> {
      const pfn = yield* s.getUserPages(mm, address, isWrite);
      if (pfn < 0) return pfn;
      const result = yield* (install as LateInstall)(cookie, address, pfn as Pfn, isWrite);
      yield* s.putPage(pfn as Pfn);
      return result;
    },
  }),
};
