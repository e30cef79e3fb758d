import type { KernelSettings, MachineConfig } from '@mmun/include';
import type { Environment } from '../environment.js';

/** What a hint is raised to at least: the security module's minimum counts beside vm.mmap_min_addr. CONFIG_LSM_MMAP_MIN_ADDR */
const LSM_MMAP_MIN_ADDR = 65536;

/** The image's default machine with the settings of the kernel that was recorded; what the recording does not say stays. */
export function machineConfig(base: MachineConfig, environment: Environment, override: Partial<MachineConfig> = {}): MachineConfig {
  const recorded: { -readonly [K in keyof KernelSettings]?: KernelSettings[K] } = {};
  const take = <K extends keyof KernelSettings>(name: K, value: KernelSettings[K] | null): void => {
    if (value !== null) recorded[name] = value;
  };
  take('overcommitMemory', environment.overcommitMemory);
  take('maxMapCount', environment.maxMapCount);
  take('mmapMinAddr', environment.mmapMinAddr === null ? null : Math.max(environment.mmapMinAddr, LSM_MMAP_MIN_ADDR));
  take('transparentHugepage', environment.transparentHugepage);
  take('capIpcLock', environment.capIpcLock);
  take('totalRamPages', environment.totalRamPages);
  take('rlimitStack', environment.rlimitStack);
  take('rlimitData', environment.rlimitData);
  take('rlimitAs', environment.rlimitAs);
  take('rlimitMemlock', environment.rlimitMemlock);
  return { ...base, ...override, settings: { ...base.settings, ...recorded, ...override.settings } };
}
