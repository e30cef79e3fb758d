// What loads the compiler or the bundler has an entry of its own: most specs need neither.
export { effort, later } from './effort.js';
export { gate, image, mustFail } from './gate.js';
export type { Gate, ImageUnderTest } from './gate.js';
export { numbers } from './numbers.js';
