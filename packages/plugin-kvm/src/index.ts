export { kvm } from './kvm-main.js';
export type { KvmDriver, KvmMmu, MemoryRegion } from './kvm-main.js';
