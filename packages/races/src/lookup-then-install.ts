/**
 * KVM as its authors had it in January 2008: the fault looks the pte up, lets the PT lock go, and makes the entry then. An
 * invalidation that falls between the two finds nothing to drop, and the entry outlives it.
 *
 * @models 20080409144401.GT10133@duo.random, where the author of #v5 describes it himself, ten weeks later
 */
import type { InstallEntry, KernelServices, MaySleep, Mm, Pfn, Step, Task, UnderPteLock, Vaddr } from '@mmun/include';
import { kvm } from '@mmun/plugin-kvm';
import type { KvmMmu } from '@mmun/plugin-kvm';

/** What install is once it no longer runs under the lock that its type asks for. */
type LateInstall = (...args: Parameters<InstallEntry>) => Task<Step, number>;

/** Of all that could be done under the PT lock, only remembers what stands there. */
function* lookUp(_cookie: number, _address: Vaddr, pfn: Pfn, isWritable: boolean): Task<UnderPteLock, number> {
  return 2 * pfn + (isWritable ? 1 : 0);
}

export const lookupThenInstall: KvmMmu = {
  ...kvm,
  attach: (s: KernelServices) => kvm.attach({
    ...s,
    * withPte(mm: Mm, address: Vaddr, isWrite: boolean, install: InstallEntry, cookie: number): Task<MaySleep, number> {
      const found = yield* s.withPte(mm, address, isWrite, lookUp, cookie);
      if (found <= 0) return found;
      return yield* (install as LateInstall)(cookie, address, Math.floor(found / 2) as Pfn, found % 2 === 1);
    },
  }),
};
