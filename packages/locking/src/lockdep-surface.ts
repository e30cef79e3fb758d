/** Both halves of lockdep and of the points have one surface; a difference does not compile. */
type Conforms<A extends B, B> = A;
type Point = Omit<typeof import('./point.js'), 'BUILD'>;
export type LockdepFastConforms = Conforms<typeof import('./lockdep-fast.js'), typeof import('./lockdep.js')>;
export type PointFastConforms = Conforms<Omit<typeof import('./point-fast.js'), 'BUILD'>, Point>;
export type PointExploreConforms = Conforms<Omit<typeof import('./point-explore.js'), 'BUILD'>, Point>;
