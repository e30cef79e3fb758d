/** What unmap-fault.race.spec.ts wants in the frames form. */
export { Execution, Stateful, explore } from '@mmun/explorer';
export { unmapFault } from '../src/index.js';
