export { unmapFault } from './unmap-fault.js';
export type { Protocol, UnmapFaultMachine, UnmapFaultOptions } from './unmap-fault.js';
