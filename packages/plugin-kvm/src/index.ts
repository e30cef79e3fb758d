export { kvm, kvmWith } from './kvm.js';
export type { GuestAddress, KvmDriver, KvmMmu, KvmOptions } from './kvm.js';
export type { MemoryRegion } from './kvm-main.js';
export type { Protocol } from './kvm-host.js';
