export { Execution, STOP } from './execution.js';
export type { Driver, Observer } from './execution.js';
export { Dpor } from './dpor.js';
export { Stateful } from './stateful.js';
export { hasFrames } from './cursor.js';
export { Rng } from './rng.js';
export type { ExplorableMachine, Program, Report, Thread } from './program.js';
