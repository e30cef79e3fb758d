/** The stable names of what can be wrong, each with what it means. Tests and scripts compare codes, never messages. */
export const CODES = {
  'stale-translation': 'an access through a device\'s or a CPU\'s entry reached a frame that is free or someone else\'s',
  'excess-permission': 'an entry allows a write that its pte forbids',
  'stale-after-return': 'a call that changes a mapping had returned, and an access still went by what was before it',
  'incoherent': 'two views of one address differ while nothing is changing it',
  'lost-dirty': 'a page of a file was written and is not marked as written',
  'lost-write': 'a read did not see what was written last',
  'cow-leak': 'a process sees what another one wrote to a private page',
  'use-after-free': 'an object was used after it was freed',
  'double-free': 'an object was freed twice',
  'sleep-in-atomic': 'something that may sleep was called with a spinlock held or inside of an RCU read section',
  'lock-order': 'locks are taken in orders that can wait for each other in a circle',
  'self-deadlock': 'a thread waits for a lock that it holds',
  'deadlock': 'nobody can run',
  'rcu-misuse': 'a list under RCU, or a grace period, was used against its rules',
  'unbalanced-range': 'a start without its end, an end without its start, or another range at the end',
  'callback-after-unregister': 'an op of a notifier ran although its driver was told that none would',
  'missed-release': 'an address space ended and a notifier of it was never told',
  'refcount-leak': 'something is still referenced, and nobody is left who could let it go',
  'data-race': 'two threads use a plain field, one of them writes, and nothing orders them',
  'retry-livelock': 'a thread tries again and again and gets nowhere',
  'lock-misuse': 'a lock was left that is not held, or is held where it must not be',
  'corruption': 'a count, list or tree of the kernel disagrees with what it counts or holds',
  'broken-claim': 'what the race says of the kernel is not so',
  'bad-plugin': 'a driver broke a rule of the interface itself: garbage, an error of its own, a task that nobody ran',
  'exception': 'the race\'s own code failed',
} as const;

export type Code = keyof typeof CODES;

export function isCode(code: string): code is Code {
  return Object.hasOwn(CODES, code);
}

/** Where the kernel stopped, by the code of its bugOn. What is not named here is a kernel that disagrees with itself. */
const OF_KERNEL_BUG: Readonly<Record<string, Code>> = {
  'pool-double-free': 'double-free', 'refcount-underflow': 'double-free', 'file-refcount-underflow': 'double-free', 'inode-refcount-underflow': 'double-free',
  'refcount-inc-on-zero': 'use-after-free', 'notifier-use-after-free': 'use-after-free', 'range-notifier-use-after-free': 'use-after-free', 'gru-gms-use-after-free': 'use-after-free', 'page-freed-while-mapped': 'use-after-free', 'page-freed-reserved': 'double-free',
  'gup-fast-walks-freed-table': 'use-after-free', 'kvm-range-end-without-start': 'unbalanced-range', 'srcu-unlock-unlocked': 'rcu-misuse', 'srcu-waits-for-itself': 'rcu-misuse',
  'mm-use-after-free': 'use-after-free', 'nested-mutex-taken-twice': 'self-deadlock', 'anon-vma-freed-in-use': 'use-after-free', 'table-freed-locked': 'use-after-free', 'rmap-no-anon-vma': 'use-after-free',
  'list-poison-followed': 'use-after-free', 'list-poison-written': 'rcu-misuse', 'list-poison-linked': 'rcu-misuse', 'list-del-never-added': 'rcu-misuse',
  'hlist-del-not-in-list': 'double-free', 'sleep-in-rcu': 'sleep-in-atomic', 'sleep-non-block': 'sleep-in-atomic', 'rcu-unlock-unlocked': 'rcu-misuse', 'rcu-sync-in-reader': 'rcu-misuse',
  'unlock-not-held': 'lock-misuse', 'lockdep-not-held': 'lock-misuse', 'lockdep-too-many-held': 'lock-misuse', 'page-unlock-unlocked': 'lock-misuse',
  // what a walk over the machine at rest reports
  'vma-use-after-free': 'use-after-free', 'pte-maps-free-frame': 'use-after-free', 'free-frame-referenced': 'use-after-free', 'refcount-low': 'use-after-free',
  'table-leak': 'refcount-leak', 'lock-leak': 'lock-misuse', 'preempt-leak': 'lock-misuse', 'rcu-leak': 'rcu-misuse',
};

/** The code under which a bug of the kernel, an error of an explorer or a violation is reported. */
export function codeOf(raw: string, message = ''): Code {
  if (isCode(raw)) return raw;
  if (raw === 'sleep-in-rcu' && message.includes('synchronize_rcu')) return 'rcu-misuse';
  return OF_KERNEL_BUG[raw] ?? 'corruption';
}
