/** Who takes whom off the list, and what release may do: C14 to C17. */
import type { Claim, Compiled } from './claim.js';
import { clean, convicted } from './explored.js';

const c14: Claim = {
  id: 'C14', text: 'hlist_del in release: "This is a mess"', means: 'That release takes each notifier off the list by itself, without a lock, is adequate.',
  run: async (lab) => ({
    verdict: 'refuted',
    by: 'A driver pins the mm struct, not the address space, so its file may be closed after the process ended, or while it does. Then unregister follows pointers that release has poisoned. It is adequate only for a driver that never touches its notifier once release may have run, which is what plugin-kvm does under v5.',
    evidence: [
      await convicted(lab, { race: 'unregister-at-exit', variant: 'buggy', says: 'a driver that unregisters when its file is closed' }),
      await clean(lab, { race: 'unregister-at-exit', variant: 'fixed', says: 'one that asks first whether the address space has ended, and else leaves it to release' }),
      await clean(lab, { race: 'exit-write', variant: 'fixed', says: 'the same against a device that goes on' }),
      await clean(lab, { race: 'unregister-read', variant: 'fixed', says: 'unregister while pages go' }),
    ],
  }),
};

const c15: Claim = {
  id: 'C15', text: '"KVM itself isn\'t using mm_users"', means: 'A driver pins mm_count, so that the end of the address space is not held up by the one who waits for it.',
  run: async (lab) => ({
    verdict: 'holds',
    by: 'With mm_count pinned the process ends, release comes, and the struct goes with the last of the two. A driver that pins mm_users keeps an address space alive that no thread is in: exit_mmap never runs, and so release, which would drop the pin, never comes.',
    evidence: [
      await clean(lab, { race: 'pins-mm-users', variant: 'fixed', says: 'mm_count pinned: exit against a device' }),
      await convicted(lab, { race: 'pins-mm-users', variant: 'buggy', says: 'the mutant: mm_users pinned' }),
    ],
  }),
};

const c16: Claim = {
  id: 'C16', text: '"and then call_rcu to release the mn"', means: 'If release walks the list under RCU and takes nobody off, a driver may unregister inside of it and must free the notifier by call_rcu.',
  run: async (lab) => ({
    verdict: 'holds',
    by: 'Run on that variant, with release before the unmap as #v8 has it. A truncate on another CPU that maps the same file walks the dying mm\'s list: freed by call_rcu the notifier outlives it, freed at once it does not.',
    evidence: [
      await clean(lab, { race: 'free-in-release', variant: 'fixed', says: 'unregister inside of release, then call_rcu' }),
      await convicted(lab, { race: 'free-in-release', variant: 'buggy', says: 'the mutant: freed at once' }),
    ],
  }),
};

const RELEASE = `import type { InRcuRead, Task } from '@mmun/include';
import type { RcuMachine } from '@mmun/locking';
import { synchronizeRcu } from '@mmun/locking';
declare const m: RcuMachine;
export function* release(): Task<InRcuRead> { yield* synchronizeRcu(m); }
`;

const c17: Claim = {
  id: 'C17', text: '"synchronize_rcu isn\'t allowed inside ->release"', means: 'A release that runs inside of a read section must not wait for readers.',
  run: async (lab) => {
    const errors = await lab.typeErrors(RELEASE, 'v5');
    const compiled: Compiled = { kind: 'compiled', says: 'a release whose type says that it runs in a read section', rows: [{ source: 'synchronizeRcu(m) in a Task<InRcuRead>', design: 'v5', errors }] };
    return {
      verdict: errors.length > 0 ? 'holds' : 'refuted',
      by: 'On the variant that the mail considers, whose release is called under rcu_read_lock, it is stopped in the first execution, and where the type names the context it does not compile. In v5 as posted release is in no read section, and there the very same driver is clean: the rule belongs to the variant.',
      evidence: [
        compiled,
        await convicted(lab, { race: 'wait-in-release', variant: 'buggy', says: 'synchronize_rcu in a release under rcu_read_lock' }),
        await clean(lab, { race: 'wait-in-release', variant: 'fixed', says: 'the same driver on v5 as posted' }),
      ],
    };
  },
};

export const registration: readonly Claim[] = [c14, c15, c16, c17];
