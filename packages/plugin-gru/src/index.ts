export { gru, gruWith } from './gru.js';
export type { GruDriver, GruMmu } from './gru.js';
export type { GruOptions } from './grutables.js';
