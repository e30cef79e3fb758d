/** What of this kernel decides the answers of memory calls, as `environment` holds it. */
import { readFileSync } from 'node:fs';
import { arch, release } from 'node:os';

const CAP_IPC_LOCK = 14n;
const LIMITS: readonly (readonly [string, string])[] = [
  ['rlimit_stack', 'Max stack size'], ['rlimit_data', 'Max data size'], ['rlimit_as', 'Max address space'], ['rlimit_memlock', 'Max locked memory'],
];

export function kernelLine(): string {
  return `Linux ${release()}`;
}

export function settingLines(): string[] {
  const limits = text('/proc/self/limits');
  const capabilities = BigInt(`0x${/^CapEff:\s+([0-9a-f]+)/m.exec(text('/proc/self/status'))?.[1] ?? '0'}`);
  return [
    `kernel ${kernelLine()} ${arch() === 'x64' ? 'x86_64' : arch()}`,
    ...['overcommit_memory', 'max_map_count', 'mmap_min_addr', 'legacy_va_layout'].map((name) => `${name} ${text(`/proc/sys/vm/${name}`)}`),
    `transparent_hugepage ${text('/sys/kernel/mm/transparent_hugepage/enabled')}`,
    `randomize_va_space ${text('/proc/sys/kernel/randomize_va_space')}`,
    ...LIMITS.map(([name, title]) => `${name} ${new RegExp(`^${title}\\s+(\\S+)\\s+(\\S+)`, 'm').exec(limits)?.slice(1).join(' ') ?? 'unlimited unlimited'}`),
    `cap_ipc_lock ${(capabilities >> CAP_IPC_LOCK) & 1n}`,
  ];
}

function text(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
