import { afterAll, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import type { RecordingResult } from '@mmun/recording';
import { ReplayError, compareMaps, compareSmaps, parseMapsRow, replayRecording, vmFlagNames } from '@mmun/recording';
import type { RecordedRow } from '@mmun/recording';
import { fakeImage } from './fake-image.js';
import type { FakeFaults, FakeMachine } from './fake-image.js';
import { removeFolders, writeFolder } from './folder.js';

afterAll(removeFolders);

const TRACE = `7 1700000000.000010000 execve("./a", ["a"], 0x1 /* 1 var */) = 0
7 1700000000.000020000 brk(NULL) = 0x9000
7 1700000000.000030000 openat(-100</>, "b", 0x2) = 3</tmp/b>
7 1700000000.000031000 mmap(NULL, 8192, 0x1, 0x2, 3</tmp/b>, 0x1000) = 0x7f0000002000
7 1700000000.000041000 mmap(NULL, 4096, 0x3, 0x22, -1, 0) = 0x7f0000001000
7 1700000000.000045000 mmap(NULL, 4096, 0x3, 0x21, -1, 0) = 0x7f0000000000
7 1700000000.000051000 mprotect(0x7f0000001000, 4096, 0x1) = 0
7 1700000000.000055000 prlimit64(0, 0x9, {rlim_cur=1048576, rlim_max=18446744073709551615}, NULL) = 0
7 1700000000.000060000 exit_group(0) = ?
7 1700000000.000090000 +++ exited with 0 +++
`;
const LOCK = 'mmap_lock:mmap_lock_acquire_returned: mm=0xffff888104423200 memcg_id=1 write=true success=true';
const PERF = `sh 7/7 1700000000.000011000: PERF_RECORD_COMM exec: a:7/7
sh 7/7 1700000000.000012000: PERF_RECORD_MMAP2 7/7: [0x7fff00000000(0x2000) @ 0x7ffffffde000 00:00 0 0]: rw-p [stack]
sh 7/7 1700000000.000013000: PERF_RECORD_MMAP2 7/7: [0x7f0000004000(0x2000) @ 0 00:00 0 0]: r-xp [vdso]
sh 7/7 1700000000.000021000: ${LOCK}
sh 7/7 1700000000.000032000: ${LOCK}
sh 7/7 1700000000.000033000: PERF_RECORD_MMAP2 7/7: [0x7f0000002000(0x2000) @ 0x1000 fe:01 55 0]: r--p /tmp/b
sh 7/7 1700000000.000042000: ${LOCK}
sh 7/7 1700000000.000043000: PERF_RECORD_MMAP2 7/7: [0x7f0000001000(0x1000) @ 0x7f0000001000 00:00 0 0]: rw-p //anon
sh 7/7 1700000000.000044000: exceptions:page_fault_user: address=0x7f0000001008 ip=0x1 error_code=0x6
sh 7/7 1700000000.000046000: ${LOCK}
sh 7/7 1700000000.000047000: PERF_RECORD_MMAP2 7/7: [0x7f0000000000(0x1000) @ 0 00:01 99 0]: rw-s /dev/zero (deleted)
sh 7/7 1700000000.000052000: ${LOCK}
`;
const MAPS = `7f0000000000-7f0000001000 rw-s 00000000 00:01 99                         /dev/zero (deleted)
7f0000001000-7f0000002000 rw-p 00000000 00:00 0 
7f0000002000-7f0000004000 r--p 00001000 fe:01 55                         /tmp/b
7f0000004000-7f0000006000 r-xp 00000000 00:00 0                          [vdso]
7fff00000000-7fff00002000 rw-p 00000000 00:00 0                          [stack]
ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]
`;
const SMAPS = MAPS.replace(/\n/g, '\nRss: 0 kB\nAnonymous: 0 kB\nVmFlags: rd wr mg \n')
  .replace('7f0000002000 rw-p 00000000 00:00 0 \nRss: 0 kB\nAnonymous: 0', '7f0000002000 rw-p 00000000 00:00 0 \nRss: 4 kB\nAnonymous: 4')
  .replace('/tmp/b\nRss: 0 kB\nAnonymous: 0 kB\nVmFlags: rd wr mg', '/tmp/b\nRss: 0 kB\nAnonymous: 0 kB\nVmFlags: rd');
const WHOLE = {
  'trace.strace': TRACE, 'events.perf': PERF, environment: 'read_7 1700000000.000065\nrlimit_stack 4096 unlimited\nmmap_min_addr 4096\n',
  files: 'fe:01 55 777 /tmp/b\n', elf: '/a 0 0 1 1 4 1000\n', 'maps.7.end': MAPS, 'smaps.7.end': SMAPS, command: 'a\nLinux',
};

async function replay(files: Readonly<Record<string, string>>, wrong: FakeFaults = {}): Promise<{ result: RecordingResult; machine: FakeMachine }> {
  let machine: FakeMachine | undefined;
  const result = await replayRecording(fakeImage(wrong), writeFolder(files), { onBoot: (_image, booted) => void (machine = booted) });
  return { result, machine: machine as FakeMachine };
}

describe('a replay', () => {
  it('follows a sound recording and finds everything equal', async () => {
    const { result, machine } = await replay(WHOLE);
    expect(result.skipped).toEqual([]);
    expect(result.missing).toEqual([]);
    expect(result).toMatchObject({ command: 'a', isInterrupted: false, isEqual: true });
    expect(result.processes).toEqual([{
      pid: 7, command: 'a', faults: 1, firstCallDifference: null,
      calls: { brk: 1, execve: 1, exit_group: 1, mmap: 3, mprotect: 1, openat: 1, prlimit64: 1 },
      addresses: { asked: 4, equal: 4 }, errnos: { checked: 4, equal: 4 },
      maps: { compared: true, equal: true, firstDifference: null },
      anonymous: { rows: 5, equal: 5, firstDifference: null }, vmFlags: { rows: 4, equal: 4, firstDifference: null }, rss: { rows: 4, equal: 4 },
    }]);
    expect(machine.log).toEqual(['mmap /tmp/b 777 rw', 'mmap ', 'mmap ', 'rlimit 1 9 1048576']);
    expect(machine.bootConfig.settings).toEqual({ rlimitStack: 4096, mmapMinAddr: 65536 });
    expect(machine.inodes[1]).toMatchObject({ kind: 'regular', major: 0xfe, minor: 1, ino: 55, thpAligned: true, isNoexec: false });
    const noexec = await replay({ ...WHOLE, environment: `${WHOLE.environment}noexec 00:1b fe:01\nmem_total_kb 8000\nswap_total_kb 4\n` });
    expect(noexec.machine.inodes[1]).toMatchObject({ isNoexec: true });
    expect(noexec.machine.bootConfig.settings).toMatchObject({ totalRamPages: 2001 });
  });

  it('takes a stack that was shown before its move for no mapping of its own', async () => {
    const born = 'sh 7/7 1700000000.000011500: PERF_RECORD_MMAP2 7/7: [0x7fffffffe000(0x1000) @ 0x7fffffffe000 00:00 0 0]: rwxp //anon\n';
    const { result } = await replay({ ...WHOLE, 'events.perf': PERF.replace(/^(sh.*\[stack\]\n)/m, `${born}$1`) });
    expect(result.processes[0]?.maps).toEqual({ compared: true, equal: true, firstDifference: null });
  });

  it('takes a System V segment for a file that each attachment opens anew', async () => {
    const calls = '7 1700000000.000056000 shmat(8, NULL, 0) = 0x7effffffe000\n7 1700000000.000057000 shmat(8, 0x7effffffe000, 0) = -1 EINVAL (Invalid argument)\n'
      + '7 1700000000.000058000 shmat(8, 0x7efff0000000, 0x1000) = 0x7efff0000000\n7 1700000000.000059000 shmdt(0x7effffffe000) = 0\n7 1700000000.000059500 shmdt(0x7effffffe000) = -1 EINVAL (Invalid argument)\n';
    const at = (ns: string, start: string): string =>
      `sh 7/7 1700000000.0000${ns}100: ${LOCK}\nsh 7/7 1700000000.0000${ns}200: PERF_RECORD_MMAP2 7/7: [0x${start}(0x2000) @ 0 00:01 8 0]: rw-s /SYSV00000000 (deleted)\n`;
    const { result, machine } = await replay({
      ...WHOLE, 'trace.strace': TRACE.replace('7 1700000000.000060000', `${calls}7 1700000000.000060000`),
      'events.perf': `${PERF}${at('56', '7effffffe000')}${at('58', '7efff0000000')}`,
      'maps.7.end': `7efff0000000-7efff0002000 rw-s 00000000 00:01 8                          /SYSV00000000 (deleted)\n${MAPS}`, 'smaps.7.end': SMAPS,
    });
    expect(result.skipped).toEqual([]);
    expect(result.processes[0]).toMatchObject({ addresses: { asked: 5, equal: 5 }, errnos: { checked: 9, equal: 9 }, maps: { equal: false } });
    expect(machine.log.slice(3)).toEqual(['rlimit 1 9 1048576', 'mmap /SYSV00000000 (deleted) 8192 rw', 'mmap /SYSV00000000 (deleted) 8192']);
  });

  it('knows a file from an earlier one that had its inode number', async () => {
    const { machine } = await replay({
      ...WHOLE, 'trace.strace': TRACE.replace('7 1700000000.000060000', '7 1700000000.000056000 openat(-100</>, "c", 0x2) = 4</tmp/c>\n7 1700000000.000057000 mmap(NULL, 4096, 0x1, 0x2, 4</tmp/c>, 0) = 0x7effffffe000\n7 1700000000.000060000'),
      'events.perf': `${PERF}sh 7/7 1700000000.000057100: ${LOCK}\nsh 7/7 1700000000.000057200: PERF_RECORD_MMAP2 7/7: [0x7effffffe000(0x1000) @ 0 fe:01 55 9]: r--p /tmp/c\n`,
    });
    expect(machine.inodes.slice(1)).toMatchObject([{ path: '/tmp/b', ino: 55 }, { path: '/tmp/c', ino: 55 }]);
  });

  it('without the rows of exec, gives each the protection of its segment: the loader takes writing away later', async () => {
    const rows = '7f0000010000-7f0000011000 r--p 00000000 fe:01 56                         /a\n7f0000011000-7f0000012000 r--p 00001000 fe:01 56                         /a\n';
    const { 'events.perf': _, ...poor } = WHOLE;
    const { result } = await replay({
      ...poor, 'trace.strace': '7 1700000000.000010000 execve("/a", ["a"], 0x1) = 0\n7 1700000000.000060000 exit_group(0) = ?\n', elf: '/a 0 0 1000 1000 4 1000\n/a 1900 1900 300 300 6 1000\n',
      'maps.7.end': `${rows}${MAPS.split('\n').slice(3).join('\n')}`,
    });
    expect(result.processes[0]?.maps.firstDifference).toMatchObject({ model: expect.stringMatching(/^7f0000010000-7f0000011000 r--p/) });
    expect(result.processes[0]?.maps.firstDifference?.diff.join('\n')).toMatch(/\+ 7f0000011000-7f0000012000 rw-p/);
  });

  it('takes no size from a file that had the name before', async () => {
    const again = '7 1700000000.000055500 truncate("/tmp/c", 1) = 0\n7 1700000000.000056000 openat(-100</>, "c", 0xc2) = 4</tmp/c>\n7 1700000000.000057000 mmap(NULL, 4096, 0x1, 0x2, 4</tmp/c>, 0) = 0x7effffffe000\n';
    const { machine } = await replay({
      ...WHOLE, 'trace.strace': TRACE.replace('7 1700000000.000060000', `${again}7 1700000000.000060000`), files: `${WHOLE.files}fe:01 56 888 /tmp/c\n`,
      'events.perf': `${PERF}sh 7/7 1700000000.000057100: ${LOCK}\nsh 7/7 1700000000.000057200: PERF_RECORD_MMAP2 7/7: [0x7effffffe000(0x1000) @ 0 fe:01 56 9]: r--p /tmp/c\n`,
    });
    expect(machine.inodes[2]).toMatchObject({ path: '/tmp/c', ino: 56, size: 888 });
  });

  it('takes the recording\'s word for an address that MAP_32BIT made random', async () => {
    const { result } = await replay({ ...WHOLE, 'trace.strace': TRACE.replace('7 1700000000.000060000', '7 1700000000.000056000 mmap(NULL, 4096, 0x3, 0x62, -1, 0) = 0x415d0000\n7 1700000000.000060000') });
    expect(result.processes[0]?.addresses).toEqual({ asked: 5, equal: 5 });
  });

  it('counts a wrong address, and then follows the recording', async () => {
    const { result } = await replay(WHOLE, { shiftBytes: 0x10000 });
    expect(result.isEqual).toBe(false);
    expect(result.processes[0]).toMatchObject({
      addresses: { asked: 4, equal: 1 }, errnos: { checked: 4, equal: 4 }, maps: { equal: true },
      firstCallDifference: { line: 4, call: 'mmap(0, 0x2000, 1, 2, 3, 0x1000)', recorded: '0x7f0000002000', model: '0x7f0000012000' },
    });
  });

  it('counts a wrong errno', async () => {
    const { result } = await replay(WHOLE, { mprotect: -12 });
    expect(result.processes[0]).toMatchObject({ errnos: { checked: 4, equal: 3 }, firstCallDifference: { recorded: '0', model: 'ENOMEM' } });
  });

  it('shows the first difference of maps as a diff, of Anonymous as two values', async () => {
    const { result } = await replay({ ...WHOLE, 'maps.7.end': MAPS.replace('00001000 fe:01', '00003000 fe:01'), 'smaps.7.end': SMAPS.replace('Anonymous: 4', 'Anonymous: 8') });
    expect(result.processes[0]?.maps).toEqual({ compared: true, equal: false, firstDifference: {
      recorded: '7f0000002000-7f0000004000 r--p 00003000 fe:01 55                         /tmp/b',
      model: '7f0000002000-7f0000004000 r--p 00001000 fe:01 55                         /tmp/b',
      diff: [
        '  7f0000000000-7f0000001000 rw-s 00000000 00:01 99                         /dev/zero (deleted)',
        '  7f0000001000-7f0000002000 rw-p 00000000 00:00 0',
        '- 7f0000002000-7f0000004000 r--p 00003000 fe:01 55                         /tmp/b',
        '+ 7f0000002000-7f0000004000 r--p 00001000 fe:01 55                         /tmp/b',
      ] } });
    expect(result.processes[0]?.anonymous).toMatchObject({ rows: 5, equal: 4, firstDifference: { recorded: 'Anonymous: 8 kB', model: 'Anonymous: 4 kB' } });
    expect(result.isEqual).toBe(false);
  });

  it('leaves a maps file of another process aside', async () => {
    const { result } = await replay({ ...WHOLE, 'maps.7.end': MAPS.replace('7fff00002000', '7fff00009000') });
    expect(result.skipped).toHaveLength(1);
    expect(result.skipped[0]).toMatchObject({ line: 5, reason: 'of another process: its [stack] ends at 7fff00009000, that of process 7 at 7fff00002000' });
    expect(result.processes[0]?.maps).toEqual({ compared: false, equal: false, firstDifference: null });
  });

  it('lists what the model does not do, with the line', async () => {
    const call = (text: string): string => `7 1700000000.000056000 ${text}\n7 1700000000.00006`;
    const reasonOf = async (text: string): Promise<string[]> =>
      (await replay({ ...WHOLE, 'trace.strace': TRACE.replace('7 1700000000.00006', call(text)) })).result.skipped.map(({ line, reason }) => `${line} ${reason}`);
    expect(await reasonOf('prctl(0x53564d41, 0, 0x7f0000001000, 4096, 0x1) = 0')).toEqual(['9 the model does not do prctl(PR_SET_VMA)']);
    expect(await reasonOf('prctl(0x53564d41, 0, 0x7f0000001000, 4096, 0x1) = -1 EINVAL (Invalid argument)')).toEqual([]);
    expect(await reasonOf('prctl(0xf, "name") = 0')).toEqual([]);
    expect(await reasonOf('syscall_0x1ce(0x7f0000001000, 0x1000, 0, 0, 0, 0) = 0')).toEqual(['9 the image does not do mseal(2)']);
    expect(await reasonOf('syscall_0x1ce(0x7f0000001000, 0x1000, 0, 0, 0, 0) = -1 EPERM (Operation not permitted)')).toEqual([]);
    expect(await reasonOf('madvise(0x7f0000001000, 4096, 0x66) = 0')).toEqual([]);
    expect(await reasonOf('process_madvise(5<anon_inode:[pidfd]>, [{iov_base=0x7f0000001000, iov_len=4096}], 1, 0x4, 0) = 4096')).toEqual([]);
    expect(await reasonOf('process_madvise(5<anon_inode:[pidfd]>, [{iov_base=0x7f0000001000, iov_len=4096}], 1, 0x19, 0) = 4096')).toEqual(['9 a recording does not tell whose pages process_madvise collapsed']);
    expect(await reasonOf('process_madvise(5<anon_inode:[pidfd]>, 0x7f0000001000, 1, 0x4, 0) = 4096')).toEqual(['9 cannot read the arguments of process_madvise']);
    expect(await reasonOf('mbind(0x7f0000001000, 4096, 0x1, NULL, 0, 0) = 0')).toEqual(['9 the image does not do mbind(2)']);
    expect(await reasonOf('mbind(0x7f0000001000, 4096, 0x2, [0x8], 64, 0) = -1 EINVAL (Invalid argument)')).toEqual([]);
    expect(await reasonOf('shmat(8, NULL, 0) = 0x7f0000000000')).toEqual(['9 nothing shows how large the segment is']);
    expect(await reasonOf('mmap(NULL, 2097152, 0x3, 0x40022, -1, 0) = -1 ENOMEM (Cannot allocate memory)')).toEqual([]);
    expect(await reasonOf('mmap(NULL, 4096, 0x1, 0x1, 0</dev/null>, 0) = -1 ENODEV (No such device)')).toEqual([]);
    expect(await reasonOf('personality(0xffffffff) = 0')).toEqual([]);
    expect(await reasonOf('personality(0x400000) = 0')).toEqual(['9 the model does not do personality(2)']);
    expect(await reasonOf('mmap(NULL, 2097152, 0x3, 0x40022, -1, 0) = 0x7f0000200000')).toEqual(['9 a recording does not tell how many huge pages there were']);
    expect(await reasonOf('mmap(NULL, 4096, MAP_WHAT, 0x22, -1, 0) = 0x7f0000200000')).toEqual(['9 cannot read the arguments of mmap']);
  });

  it('does what it can with a trace alone', async () => {
    const result = await replayRecording(fakeImage(), join(writeFolder({ 'a.log': TRACE }), 'a.log'));
    expect(result.isEqual).toBe(true);
    expect(result.missing).toHaveLength(1);
    expect(result.processes[0]).toMatchObject({ addresses: { asked: 3, equal: 3 }, errnos: { checked: 4, equal: 4 }, maps: { compared: false } });
  });

  it('says at which line the model stopped', async () => {
    const trace = TRACE.replace('7 1700000000.00006', '7 1700000000.000056000 munmap(0x7f0000001000, 4096) = 0\n7 1700000000.00006');
    await expect(replay({ ...WHOLE, 'trace.strace': trace }, { stopsAtMunmap: true })).rejects.toThrow(ReplayError);
    await expect(replay({ ...WHOLE, 'trace.strace': trace }, { stopsAtMunmap: true })).rejects.toThrow(/trace\.strace:9: the model stopped: page-count-underflow$/);
  });

  it('can be interrupted, and shows what it has', async () => {
    const controller = new AbortController();
    const long = TRACE.replace('7 1700000000.00006', `${'7 1700000000.000056000 madvise(0x7f0000001000, 4096, 0x4) = 0\n'.repeat(200000)}7 1700000000.00006`);
    const seen: number[] = [];
    const result = await replayRecording(fakeImage(), writeFolder({ ...WHOLE, 'trace.strace': long }), {
      signal: controller.signal,
      onProgress: (fraction) => {
        seen.push(fraction);
        controller.abort();
      },
    });
    expect(result.isInterrupted).toBe(true);
    expect(seen).toHaveLength(1);
    expect(result.processes[0]?.calls.madvise).toBeGreaterThan(0);
  });

  it('calls afterEvent with the task that acted', async () => {
    const kinds: string[] = [];
    await replayRecording(fakeImage(), writeFolder(WHOLE), {
      afterEvent: ({ effect, task }) => void kinds.push(`${effect.kind === 'call' ? effect.name : effect.kind} ${task}`),
    });
    expect(kinds).toEqual([
      'execve 0', 'exec 1', 'brk 1', 'openat 0', 'mmap 1', 'mmap 1', 'fault 1', 'mmap 1', 'mprotect 1', 'prlimit64 0', 'exit_group 0', 'compare 0', 'exit 0']);
  });
});

describe('the comparison', () => {
  const rows = (text: string): RecordedRow[] => text.trim().split('\n').map((line) => parseMapsRow(line.trim()) as RecordedRow);

  it('lets a file be unlinked or renamed, but not be another', () => {
    const a = rows('1000-2000 r--p 00000000 fe:00 5 /tmp/a (deleted)');
    expect(compareMaps(a, rows('1000-2000 r--p 00000000 fe:00 5 /tmp/a'))).toBeNull();
    expect(compareMaps(a, rows('1000-2000 r--p 00000000 fe:00 6 /tmp/a (deleted)'))).not.toBeNull();
  });

  it('shows a split as one row against two', () => {
    const difference = compareMaps(rows('1000-3000 rw-p 00000000 00:00 0\n5000-6000 rw-p 00000000 00:00 0'),
      rows('1000-2000 rw-p 00000000 00:00 0\n2000-3000 rw-p 00000000 00:00 0\n5000-6000 rw-p 00000000 00:00 0'));
    expect(difference?.diff).toEqual(['- 00001000-00003000 rw-p 00000000 00:00 0', '+ 00001000-00002000 rw-p 00000000 00:00 0', '+ 00002000-00003000 rw-p 00000000 00:00 0']);
  });

  it('counts only the presence of the kernel\'s own rows', () => {
    const vdso = rows('1000-2000 r-xp 00000000 00:00 0 [vdso]');
    expect(compareMaps(vdso, rows('5000-6000 r-xp 00000000 00:00 0 [vdso]'))).toBeNull();
    expect(compareMaps(vdso, [])?.diff).toEqual(['- [vdso]']);
    expect(compareMaps([], vdso)?.diff).toEqual(['+ [vdso]']);
  });

  it('counts a row that the model lacks', () => {
    const smaps = [{ start: 0x1000, end: 0x2000, name: '', rssKb: 0, anonymousKb: 0, vmFlags: ['rd'] }];
    const result = compareSmaps(smaps, [], () => 'the row');
    expect(result.anonymous).toEqual({ rows: 1, equal: 0, firstDifference: { row: 'the row', recorded: 'Anonymous: 0 kB', model: 'no such row' } });
    expect(result.vmFlags.equal).toBe(0);
  });

  it('names flags as the kernel does', () => {
    expect(vmFlagNames(0x1 | 0x800 | 0x1000 | 0x1000000)).toEqual(['rd', 'dp', 'gu', 'sl']);
    expect(vmFlagNames(0x1 | 0x2 | 0x10 | 0x20 | 0x40 | 0x100 | 0x100000 | 0x40000000)).toEqual(['rd', 'wr', 'mr', 'mw', 'me', 'gd', 'ac', 'nh']);
  });
});
