export { Fuzzer } from './fuzz.js';
export type { Difference, FuzzOptions, FuzzResult } from './fuzz.js';
export { KernelSide } from './kernel-side.js';
export { OracleUnavailable } from './kernel-process.js';
export type { FuzzedImage } from './model-side.js';
export { operationText } from './operation.js';
export type { Operation } from './operation.js';
export { shrink } from './shrink.js';
