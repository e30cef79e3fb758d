/** Both halves of what has a fast variant have one surface; a difference does not compile. */
type Conforms<A extends B, B> = A;
type Point = Omit<typeof import('./point.js'), 'BUILD'>;
export type LockdepFastConforms = Conforms<typeof import('./lockdep-fast.js'), typeof import('./lockdep.js')>;
export type PointFastConforms = Conforms<Omit<typeof import('./point-fast.js'), 'BUILD'>, Point>;
export type PointExploreConforms = Conforms<Omit<typeof import('./point-explore.js'), 'BUILD'>, Point>;
export type SpinlockFastConforms = Conforms<typeof import('./spinlock-fast.js'), typeof import('./spinlock.js')>;
export type MutexFastConforms = Conforms<typeof import('./mutex-fast.js'), typeof import('./mutex.js')>;
export type RwsemFastConforms = Conforms<typeof import('./rwsem-fast.js'), typeof import('./rwsem.js')>;
