import { describe, expect, it } from '@jest/globals';
import * as fc from 'fast-check';
import type { Call } from '@mmun/recording';
import { Clock, parseElf, parseEnvironment, parseFiles, parseMaps, parseMapsRow, parseSmaps, parseStat, formatMapsRow } from '@mmun/recording';
import { scanPerf, scanStrace } from './scan.js';

function oneCall(line: string): Call {
  const { records, skipped } = scanStrace(`${line}\n`);
  expect(skipped).toEqual([]);
  expect(records).toHaveLength(1);
  expect(records[0].kind).toBe('call');
  return records[0] as Call;
}

describe('a line of strace', () => {
  it('gives pid, time, arguments and result', () => {
    const call = oneCall('4657  1795359196.000000123 mmap(NULL, 8192, 0x3, 0x22, -1, 0) = 0x7f8cbc0aa000');
    expect(call).toMatchObject({ name: 'mmap', tid: 4657, time: 123, args: [0, 8192, 3, 0x22, -1, 0], result: 0x7f8cbc0aa000, line: 1 });
  });

  it('gives an errno as its negative', () => {
    expect(oneCall('1 1.5 mprotect(0x7fd8c9b2f000, 4096, 0x3) = -1 EACCES (Permission denied)').result).toBe(-13);
    expect(oneCall('1 1.5 mremap(0x1000, 0x100000, 0x100000, 0x5, 0xffffffff) = -1 EINVAL (Invalid argument)').result).toBe(-22);
  });

  it.each([
    ['3</etc/passwd>', '/etc/passwd'],
    ['5</memfd:x>(deleted)', '/memfd:x (deleted)'],
    ['3</tmp/a>b>', '/tmp/a>b'],
    ['3</tmp/a, 7>', '/tmp/a, 7'],
    ['3</tmp/\\303\\244\\x20b>', '/tmp/ä b'],
    ['3<socket:[77]>', 'socket:[77]'],
  ])('reads the path of the descriptor %s', (fd, path) => {
    const call = oneCall(`1 1.5 mmap(NULL, 4096, 0x1, 0x1, ${fd}, 0x1000) = 0x7fd8c9b2f000`);
    expect(call.fdPath).toBe(path);
    expect(call.args.slice(3)).toEqual([1, Number.parseInt(fd, 10), 0x1000]);
  });

  it('reads open, with the path that the kernel found', () => {
    const call = oneCall('9 1.5 openat(-100</home/user/demo>, "/lib/x86_64-linux-gnu/libc.so.6", 0x80000) = 3</usr/lib/libc.so.6>');
    expect(call).toMatchObject({ name: 'openat', text: '/lib/x86_64-linux-gnu/libc.so.6', result: 3, resultPath: '/usr/lib/libc.so.6' });
    expect(call.args[2]).toBe(0x80000);
  });

  it('reads execve with a cut string, brackets in strings and a comment', () => {
    const call = oneCall('7 1.5 execve("./misc", ["misc", "a\\"])}", "aaaa"...], 0x7ffc93ba2958 /* 43 vars, or so */) = 0');
    expect(call).toMatchObject({ name: 'execve', text: './misc', result: 0 });
  });

  it('reads clone and clone3 as flags and stack', () => {
    expect(oneCall('7 1.5 clone(child_stack=NULL, flags=0x1200000|17, child_tidptr=0x7fd8c9941a10) = 20608').args).toEqual([0x1200011, 0]);
    expect(oneCall('7 1.5 clone(child_stack=NULL, flags=CLONE_VM|CLONE_VFORK|SIGCHLD) = 9').args).toEqual([0x4111, 0]);
    const clone3 = oneCall('7 1.5 clone3({flags=0x3d0f00, child_tid=0x7f, exit_signal=0, stack=0x7f70b4b89000, tls=0x7} => {parent_tid=[8]}, 88) = 8');
    expect(clone3.args).toEqual([0x3d0f00, 0x7f70b4b89000]);
  });

  it('reads new limits, none where only the old ones were asked for', () => {
    const asked = oneCall('1 1.5 prlimit64(0, 0x3, NULL, {rlim_cur=8388608, rlim_max=18446744073709551615}) = 0');
    expect(asked.limits).toBeNull();
    const set = oneCall('1 1.5 prlimit64(0, 0x9, {rlim_cur=1048576, rlim_max=18446744073709551615}, NULL) = 0');
    expect(set.limits).toEqual({ cur: 1048576, max: Infinity });
    const decoded = oneCall('1 1.5 setrlimit(RLIMIT_STACK, {rlim_cur=8192*1024, rlim_max=RLIM_INFINITY}) = 0');
    expect(decoded).toMatchObject({ limits: { cur: 8388608, max: Infinity } });
    expect(decoded.args[0]).toBe(3);
  });

  it('reads names of flags, times of day, [pid N], and lines without either', () => {
    const named = oneCall('[pid    12] 13:00:00.000001 mmap(NULL, 8192, PROT_READ|PROT_WRITE, MAP_PRIVATE|MAP_ANONYMOUS|0x4000, -1, 0) = 0x7f0000000000');
    expect(named).toMatchObject({ tid: 12, args: [0, 8192, 3, 0x4022, -1, 0] });
    const bare = scanStrace('munmap(0x7f0000000000, 4096)            = 0\n');
    expect(bare.records[0]).toMatchObject({ name: 'munmap', tid: 1, time: NaN });
    expect(bare.scanner.stampKind).toBe('none');
    expect(oneCall('1 1.5 madvise(0x7f0000000000, 4096, 0x66 /* MADV_??? */) = 0').args[2]).toBe(0x66);
    expect(oneCall('1 1.5 mlockall(MCL_CURRENT|MCL_FUTURE) = 0').args).toEqual([3]);
  });

  it('tells halves, ends and silent lines apart', () => {
    const text = `
4683  1795359199.280450864 mmap(NULL, 8192, 0x3, 0x22, -1, 0 <unfinished ...>
4683  1795359199.280500000 --- SIGCHLD {si_signo=SIGCHLD} ---
4683  1795359199.280591217 <... mmap resumed>) = 0x7f2cd6511000
4684  1795359199.280728602 <... clone3 resumed> => {parent_tid=[20596]}, 88) = 20596
4685  1795359199.3 vfork( <unfinished ...>
4685  1795359199.3 <... vfork resumed>) = ? ERESTARTNOINTR (To be restarted)
4685  1795359199.4 read(3, "x) = 3", 6) = 6
4685  1795359199.5 +++ exited with 3 +++
4686  1795359199.5 +++ killed by SIGKILL (core dumped) +++
strace: Process 4687 attached
`;
    const { records, skipped } = scanStrace(text);
    expect(skipped).toEqual([]);
    expect(records.map((r) => (r.kind === 'ended' ? r.how : `${r.kind} ${r.name}`))).toEqual(
      ['call mmap', 'resumed mmap', 'resumed clone3', 'call vfork', 'resumed vfork', 'exited', 'killed']);
    expect(records[0]).toMatchObject({ result: NaN, hasReturned: true });
    expect(records[1]).toMatchObject({ result: 0x7f2cd6511000 });
    expect(records[2]).toMatchObject({ result: 20596 });
    expect(records[4]).toMatchObject({ hasReturned: false });
  });

  it('lists what it cannot read, and reads on', () => {
    const text = '1 1.5 mmap(NULL, 81\n1 1.6 frobnicate(1) = 0\n1 1.7 frobnicate(2) = 0\n\u0000\u0001garbage\n1 1.8 brk(NULL) = 0x1000\n1 1.9 brk(0x2000) = 0x20';
    const { records, skipped } = scanStrace(text);
    expect(records).toHaveLength(1);
    expect(skipped.map(({ line, reason }) => `${line} ${reason}`)).toEqual([
      '1 cut line: expected the rest of mmap', '2 unknown system call frobnicate',
      '4 expected `NAME(ARGUMENTS) = RESULT`', '6 cut line: expected the rest of brk']);
  });

  it('reads by its number what is newer than strace, and over what the kernel did not know', () => {
    const text = '1 1.5 syscall_0x1ce(0x7f0000001000, 0x2000, 0, 0, 0, 0) = 0\n1 1.6 syscall_0x1d4(0x1, 0, 0, 0, 0, 0) = 0\n1 1.7 syscall_0x999(0x1) = -1 ENOSYS (Function not implemented)\n1 1.8 syscall_0x999(0x1) = 0\n';
    const { records, skipped } = scanStrace(text);
    expect(records).toMatchObject([{ name: 'mseal', args: [0x7f0000001000, 0x2000, 0, 0, 0, 0], result: 0 }]);
    expect(skipped.map(({ line, reason }) => `${line} ${reason}`)).toEqual(['4 unknown system call syscall_0x999']);
  });

  it('reads of fcntl only what adds seals', () => {
    const text = '1 1.5 fcntl(3</memfd:x (deleted)>, 0x409, 0x8) = 0\n1 1.6 fcntl(3</a>, 0x1) = 0\n1 1.7 fcntl(3, F_ADD_SEALS, F_SEAL_WRITE|F_SEAL_GROW) = 0\n';
    expect(scanStrace(text)).toMatchObject({ records: [{ name: 'fcntl', args: [3, 1033, 8] }, { name: 'fcntl', args: [3, 1033, 12] }], skipped: [] });
  });

  it('makes no page boundary of an address that is none, however large', () => {
    expect(oneCall('1 1.5 munmap(0xffffffffffffffff, 0xfffffffffffff000) = -1 EINVAL (Invalid argument)').args).toEqual([2 ** 64 - 2048, 2 ** 64 - 4096]);
    expect(oneCall('1 1.5 munmap(0x20000000000001, 0x8000000000001000) = -1 EINVAL (Invalid argument)').args).toEqual([2 ** 53 + 2048, 2 ** 63 + 4096]);
  });

  it('reads back any numbers that it is given', () => {
    const number = fc.oneof(fc.nat(), fc.maxSafeNat(), fc.integer({ min: -4095, max: -1 }));
    fc.assert(fc.property(fc.tuple(number, number, number, number, number, number), fc.nat(), fc.nat(999999999), (args, tid, ns) => {
      const text = args.map((value, i) => (value >= 0 && i % 2 === 0 ? `0x${value.toString(16)}` : String(value)));
      const call = oneCall(`${String(tid + 1).padEnd(5)} 1795359196.${String(ns).padStart(9, '0')} mmap(${text.join(', ')}) = 0x7f8cbc0aa000`);
      expect(call).toMatchObject({ tid: tid + 1, time: ns, args, result: 0x7f8cbc0aa000 });
    }));
  });

  it('reads back any path, as strace escapes it', () => {
    fc.assert(fc.property(fc.string({ unit: 'binary', minLength: 1, maxLength: 40 }), (path) => {
      const escaped = [...Buffer.from(path, 'utf8')].map((byte) => (byte >= 32 && byte < 127 && !'<>"\\'.includes(String.fromCharCode(byte))
        ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, '0')}`)).join('');
      const call = oneCall(`1 1.5 openat(-100</>, "${escaped}", 0) = 3</${escaped}>`);
      expect([call.text, call.resultPath]).toEqual([path, `/${path}`]);
    }));
  });

  it('never throws and never loses count, whatever the bytes', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
      scanStrace(bytes);
      scanPerf(bytes);
    }));
    const sound = '1 1.5 clone3({flags=0x3d0f00, stack=0x7f} => {parent_tid=[8]}, 88) = 8\n1 1.5 mmap(NULL, 4096, 0x1, 0x1, 3</e>, 0) = 0x7f00\n';
    fc.assert(fc.property(fc.nat(sound.length), fc.nat(255), (at, byte) => {
      const bytes = Buffer.from(sound);
      bytes[at % bytes.length] = byte;
      expect(scanStrace(bytes).records.length + scanStrace(bytes).skipped.length).toBeGreaterThan(0);
    }));
  });
});

describe('a line of perf script', () => {
  const prefix = 'a 1/b 2 sh 4679/4680   1795359198.856162372:';

  it('reads faults with and without an error code', () => {
    const { events, skipped } = scanPerf(`
 true 13286/13287  1795359574.294830457:         exceptions:page_fault_kernel: address=0x560db00fc1e0 ip=elf_load error_code=0x2
 true 13286/13286  1795359574.295027872:           exceptions:page_fault_user: address=0x7f8cbc0ceb70 ip=0x7f8cbc0ceb70 error_code=0x14
 true 13286/13286  1795359574.295027873: page-faults:      7f8cbc0ceb70
 true 13286 [001]  1795359574.295027874:          1 page-faults:u:      7f8cbc0ceb71 main+0x12 (/usr/bin/true)
`);
    expect(skipped).toEqual([]);
    expect(events).toMatchObject([
      { kind: 'fault', pid: 13286, tid: 13287, time: 294830457, line: 2, address: 0x560db00fc1e0, errorCode: 2 },
      { kind: 'fault', tid: 13286, address: 0x7f8cbc0ceb70, errorCode: 0x14 },
      { kind: 'fault', address: 0x7f8cbc0ceb70, errorCode: -1 },
      { kind: 'fault', pid: 13286, tid: 13286, address: 0x7f8cbc0ceb71, errorCode: -1 },
    ]);
  });

  it('keeps the locks that were taken for writing', () => {
    const lock = (write: boolean, success: boolean): string =>
      `${prefix} mmap_lock:mmap_lock_acquire_returned: mm=0xffff888104423200 memcg_id=36038 write=${write} success=${success}\n`;
    const { events } = scanPerf(lock(true, true) + lock(false, true) + lock(true, false));
    expect(events).toMatchObject([{ kind: 'lock', pid: 4679, tid: 4680, mm: 0x888104423200 }]);
  });

  it('reads PERF_RECORDs', () => {
    const { events, skipped } = scanPerf(`
${prefix} PERF_RECORD_MMAP2 13286/13286: [0x560db00f5000(0x4000) @ 0x2000 fe:00 260958 0]: r-xp /usr/bin/a b
${prefix} PERF_RECORD_MMAP2 13286/13286: [0x7fd8c983f000(0x100000) @ 0 00:01 1711 2053527996]: rw-s /dev/zero (deleted)
${prefix} PERF_RECORD_FORK(4680:4681):(4679:4678)
${prefix} PERF_RECORD_EXIT(4680:4681):(4679:4679)
${prefix} PERF_RECORD_COMM exec: a:b c:4679/4679
${prefix} PERF_RECORD_COMM: pool-1:4679/4680
${prefix} PERF_RECORD_LOST lost 12
${prefix} PERF_RECORD_MMAP -1/0: [0xffffffff81000000(0x1000) @ 0]: x [kernel.kallsyms]_text
`);
    expect(skipped).toEqual([]);
    expect(events).toMatchObject([
      { kind: 'mmap', startVaddr: 0x560db00f5000, lenBytes: 0x4000, offsetBytes: 0x2000, device: 'fe:00', inode: 260958, prot: 5, isShared: false, name: '/usr/bin/a b' },
      { kind: 'mmap', inode: 1711, prot: 3, isShared: true, name: '/dev/zero (deleted)' },
      { kind: 'fork', childPid: 4680, childTid: 4681, parentPid: 4679, parentTid: 4678 },
      { kind: 'exit', pid: 4680, tid: 4681 },
      { kind: 'comm', comm: 'a:b c', isExec: true },
      { kind: 'comm', comm: 'pool-1', isExec: false },
      { kind: 'lost', nrLost: 12 },
    ]);
  });

  it('lists what it cannot read, an unknown event once', () => {
    const { events, skipped } = scanPerf(`nonsense\n${prefix} sched:sched_switch: a\n${prefix} sched:sched_switch: b\n${prefix} exceptions:page_fault_user: address=0x7f8c`);
    expect(events).toEqual([]);
    expect(skipped.map(({ line, reason }) => `${line} ${reason}`)).toEqual([
      '1 expected `COMM PID/TID TIME: EVENT`', '2 unknown event sched:sched_switch', '4 cut line: expected error_code=']);
  });

  it('reads back any address and ids', () => {
    fc.assert(fc.property(fc.maxSafeNat(), fc.nat(), fc.nat(), fc.nat(31), (address, pid, tid, code) => {
      const { events } = scanPerf(`x ${pid}/${tid} 1.000000001: exceptions:page_fault_user: address=0x${address.toString(16)} ip=0x1 error_code=0x${code.toString(16)}\n`);
      expect(events).toMatchObject([{ address, pid, tid, errorCode: code, time: 1 }]);
    }));
  });
});

describe('the small files', () => {
  const seen: string[] = [];
  const context = { file: 'x', skip: (line: number, reason: string): void => void seen.push(`${line} ${reason}`) };

  it('maps, back to its text', () => {
    const line = '7f8cbbebe000-7f8cbbee4000 r--p 00000000 fe:00 339380                     /usr/lib/a b (deleted)';
    const row = parseMapsRow(line);
    expect(row).toMatchObject({ start: 0x7f8cbbebe000, perms: 'r--p', device: 'fe:00', inode: 339380, name: '/usr/lib/a b (deleted)' });
    expect(row === null ? '' : formatMapsRow(row)).toBe(line);
    expect(parseMapsRow('7f8cbbebb000-7f8cbbebe000 rw-p 00000000 00:00 0 ')?.name).toBe('');
    expect(parseMaps(`${line}\nnonsense\n`, context)).toHaveLength(1);
    expect(seen.splice(0)).toEqual(['2 expected `START-END PERMS OFFSET MAJ:MIN INODE NAME`']);
  });

  it('smaps, stat, files, elf, environment', () => {
    const smaps = 'junk\n7fff02a5f000-7fff02a80000 rw-p 00000000 00:00 0                          [stack]\nRss:   16 kB\nAnonymous:  12 kB\nVmFlags: rd wr gd ac \n';
    expect(parseSmaps(smaps, context)).toMatchObject([{ name: '[stack]', rssKb: 16, anonymousKb: 12, vmFlags: ['rd', 'wr', 'gd', 'ac'] }]);
    expect(seen.splice(0)).toHaveLength(1);
    const fields = Array.from({ length: 50 }, (_, i) => String(i + 3)).join(' ');
    expect(parseStat(`1 (a (b) c) ${fields}`)).toEqual({ comm: 'a (b) c', startStack: 28, startBrk: 47, argStart: 48 });
    expect(parseStat('1 (a) 2 3')).toBeNull();
    expect(parseFiles('fe:00 247 38427 /etc/a b\nx\n', context).get('fe:00 247')).toMatchObject({ size: 38427, path: '/etc/a b' });
    expect(parseElf('/usr/bin/true 8d70 7d70 470 608 6 1000\nx\n', context).get('/usr/bin/true')).toEqual([
      { vaddr: 0x8d70, offset: 0x7d70, filesz: 0x470, memsz: 0x608, flags: 6, align: 0x1000 }]);
    expect(seen.splice(0)).toHaveLength(2);
    const environment = parseEnvironment(
      'kernel Linux 6.18\nrlimit_stack 8388608 unlimited\nrlimit_as unlimited unlimited\ntransparent_hugepage always [madvise] never\ncap_ipc_lock 1\nread_7 100.5\nread_x 1\n',
      new Clock(), context);
    expect(environment).toMatchObject({ rlimitStack: 8388608, rlimitAs: Infinity, transparentHugepage: 'madvise', capIpcLock: true, maxMapCount: null });
    expect(environment.readTimes.get(7)).toBe(5e8);
    expect(seen.splice(0)).toEqual(['7 expected `read_PID SECONDS.NANOSECONDS`']);
  });
});

describe('lines that begin alike', () => {
  it('are told apart by what stands between them', () => {
    const strace = ['7 1700000000.1 brk(NULL) = 0x1000', 'brk(NULL) = 0x1000', '7 1700000000.2 brk(NULL) = 0x1000', '8 1700000000.3 brk(NULL) = 0x1000', '8 1700000001.3 brk(NULL) = 0x1000'];
    expect(scanStrace(`${strace.join('\n')}\n`).records.map(({ tid, time }) => `${tid} ${time}`)).toEqual(['7 100000000', '1 100000000', '7 200000000', '8 300000000', '8 1300000000']);
    const fault = 'page-faults: 1000';
    const perf = [`a 7/8 1700000000.1: ${fault}`, `a 9/9 1.x: ${fault}`, `a 7/8 1700000000.2: ${fault}`, `a 7/9 1700000000.2: ${fault}`, `a 7/9 1700000001.2: ${fault}`];
    expect(scanPerf(`${perf.join('\n')}\n`).events.map(({ pid, tid, time }) => `${pid} ${tid} ${time}`)).toEqual(['7 8 100000000', '7 8 200000000', '7 9 200000000', '7 9 1200000000']);
  });
});
