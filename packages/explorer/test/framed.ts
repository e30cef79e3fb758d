/** What soundness.prop.spec.ts wants in the frames form; bundled by inFrames(). */
export { auditSteps, Execution, LevelSearch, Sampling, Stateful, explore, hasFrames } from '../src/index.js';
export { toProgram } from './random-program.js';
