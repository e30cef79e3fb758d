import { readFileSync } from 'node:fs';
import { arch, release, type } from 'node:os';

const CAP_IPC_LOCK = 14;

/** `NAME VALUE` of what decides the kernel's answers, and when each process was read. Must run as the recorded program did. */
export function environmentText(driftNs: bigint, readTimes: ReadonlyMap<number, bigint>): string {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const limit = (title: string): string => {
    const match = new RegExp(`^${title}\\s+(\\S+)\\s+(\\S+)`, 'm').exec(limits);
    return match === null ? 'unlimited unlimited' : `${match[1]} ${match[2]}`;
  };
  const meminfo = (name: string): string => new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(read('/proc/meminfo'))?.[1] ?? '';
  const capEff = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)/m.exec(read('/proc/self/status'))?.[1] ?? '0'}`);
  const lines = [
    `kernel ${type()} ${release()} ${arch() === 'x64' ? 'x86_64' : arch()}`,
    `overcommit_memory ${read('/proc/sys/vm/overcommit_memory')}`,
    `max_map_count ${read('/proc/sys/vm/max_map_count')}`,
    `mmap_min_addr ${read('/proc/sys/vm/mmap_min_addr')}`,
    `legacy_va_layout ${read('/proc/sys/vm/legacy_va_layout')}`,
    `transparent_hugepage ${read('/sys/kernel/mm/transparent_hugepage/enabled')}`,
    `randomize_va_space ${read('/proc/sys/kernel/randomize_va_space')}`,
    `rlimit_stack ${limit('Max stack size')}`,
    `rlimit_data ${limit('Max data size')}`,
    `rlimit_as ${limit('Max address space')}`,
    `rlimit_memlock ${limit('Max locked memory')}`,
    `cap_ipc_lock ${(capEff >> BigInt(CAP_IPC_LOCK)) & 1n}`,
    `mem_total_kb ${meminfo('MemTotal')}`,
    `swap_total_kb ${meminfo('SwapTotal')}`,
    `noexec ${noexecDevices()}`,
    `clock_drift_ns ${driftNs}`,
    ...[...readTimes].sort(([a], [b]) => a - b).map(([pid, ns]) => `read_${pid} ${ns / 1000000000n}.${String(ns % 1000000000n).padStart(9, '0')}`),
  ];
  return `${lines.filter((line) => !line.endsWith(' ')).join('\n')}\n`;
}

/** What every mount of it forbids to execute. proc_pid_mountinfo(5) */
function noexecDevices(): string {
  const mounts = read('/proc/self/mountinfo').split('\n').map((line) => line.split(' '));
  const hex = (device: string): string => device.split(':').map((part) => Number(part).toString(16).padStart(2, '0')).join(':');
  const executable = new Set(mounts.filter(([, , , , , options]) => options?.split(',').includes('noexec') !== true).map(([, , device]) => device));
  const devices = new Set(mounts.map(([, , device]) => device ?? '').filter((device) => device !== '' && !executable.has(device)));
  return [...devices].map(hex).join(' ');
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch {
    return '';
  }
}
