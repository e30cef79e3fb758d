export { xpmem } from './xpmem-main.js';
export type { XpmemDriver, XpmemMmu } from './xpmem-main.js';
