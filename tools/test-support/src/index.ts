export { effort } from './effort.js';
export { gate, image, mustFail } from './gate.js';
export type { Gate, ImageUnderTest } from './gate.js';
export { inFrames } from './in-frames.js';
export { typeErrors } from '@mmun/build/type-errors';
export type { TypeError } from '@mmun/build/type-errors';
