import { afterAll, describe, expect, it } from '@jest/globals';
import { basename } from 'node:path';
import type { Effect } from '@mmun/recording';
import { Recording } from '@mmun/recording';
import { removeFolders, recordings, writeFolder } from './folder.js';

afterAll(removeFolders);

function read(folder: string): { effects: Effect[]; recording: Recording } {
  const recording = new Recording(folder);
  const effects: Effect[] = [];
  for (let effect = recording.next(); effect !== null; effect = recording.next()) effects.push(effect);
  recording.close();
  return { effects, recording };
}

/** Stamps are microseconds in these excerpts: `7 @3 brk(...)` and `sh 7/7 @3 EVENT`. */
function order(strace: string, perf: string | null, environment = ''): string[] {
  const stamp = (text: string): string => text.trim().replace(/^\s*/gm, '').replace(/@(\d+)/g, (_, us: string) => `1700000000.${us.padStart(6, '0')}000`);
  const files: Record<string, string> = { 'trace.strace': `${stamp(strace)}\n`, environment: `${stamp(environment)}\n` };
  if (perf !== null) {
    files['events.perf'] = `${stamp(perf).replace(/(\.\d{9}) /g, '$1: ')}\n`
      .replace(/LOCK/g, 'mmap_lock:mmap_lock_acquire_returned: mm=0xffff888104423200 memcg_id=1 write=true success=true')
      .replace(/FAULT (\w+)/g, 'exceptions:page_fault_user: address=$1 ip=0x1 error_code=0x6')
      .replace(/MMAP2 (\w+) (.*)/g, 'PERF_RECORD_MMAP2 7/7: [$1(0x1000) @ 0 fe:00 55 0]: r--p $2')
      .replace(/(FORK|EXIT)\(/g, 'PERF_RECORD_$1(').replace(/COMM exec (\S+)/g, 'PERF_RECORD_COMM exec: $1:7/7');
  }
  const { effects, recording } = read(writeFolder(files));
  expect(recording.skipped).toEqual([]);
  return effects.map((effect) => describeEffect(effect));
}

function describeEffect(effect: Effect): string {
  switch (effect.kind) {
    case 'call': return `${effect.tid} ${effect.name}=${effect.result.toString(16)}${effect.mapped === null ? '' : ` ${effect.mapped.device} ${effect.mapped.inode} ${effect.mapped.name}`}`;
    case 'fault': return `${effect.tid} fault ${effect.address.toString(16)}`;
    case 'fork': return `${effect.tid} fork ${effect.childPid}:${effect.childTid} 0x${effect.cloneFlags.toString(16)}`;
    case 'exec': return `${effect.tid} exec ${effect.path} ${effect.comm} [${effect.rows.map((row) => row.name).join(' ')}]${effect.firstBrk === null ? '' : ` brk ${effect.firstBrk.toString(16)}`}`;
    default: return `${effect.tid} ${effect.kind}`;
  }
}

describe('the order of effects', () => {
  it('follows a process that perf leaves at the exec of a program with rights of its own, and its children', () => {
    const folder = writeFolder({
      'trace.strace': `7 1700000000.000001000 execve("./a", ["a"], 0x1) = 0
7 1700000000.000004000 brk(NULL) = 0x9000
7 1700000000.000005000 clone(child_stack=NULL, flags=0x1200000|17, child_tidptr=0x7f0000000000) = 8
8 1700000000.000006000 execve("./b", ["b"], 0x1) = 0
8 1700000000.000007000 brk(NULL) = 0x8000
7 1700000000.000008000 +++ exited with 0 +++
`,
      'events.perf': `sh 7/7 1700000000.000001500: PERF_RECORD_FORK(7:7):(1:1)
a 7/7 1700000000.000002000: PERF_RECORD_COMM exec: a:7/7
a 7/7 1700000000.000003000: PERF_RECORD_EXIT(7:7):(1:1)
c 9/9 1700000000.000004000: PERF_RECORD_FORK(10:10):(9:9)
`,
      environment: 'overcommit_memory 0\n',
    });
    const { effects, recording } = read(folder);
    expect(recording.skipped.map(({ line, reason }) => `${line} ${reason}`)).toEqual([
      '3 perf leaves process 7, which execs a program with rights of its own: its faults are unknown']);
    expect(effects.map(describeEffect)).toEqual([
      '7 execve=0', '7 exec ./a a [] brk 9000', '7 brk=9000', '7 clone=8', '7 fork 8:8 0x1200011', '8 execve=0', '8 exec ./b null [] brk 8000', '8 brk=8000', '7 exit']);
    expect([recording.isWatched(7), recording.isWatched(8)]).toEqual([false, false]);
  });

  it('is that of the locks, not of the entries', () => {
    expect(order(`
      7 @10 munmap(0x1000, 4096 <unfinished ...>
      8 @11 munmap(0x2000, 4096 <unfinished ...>
      7 @30 <... munmap resumed>) = 0
      8 @31 <... munmap resumed>) = 0`, `
      sh 7/7 @1 LOCK
      sh 8/8 @20 LOCK
      sh 7/7 @21 LOCK
      sh 8/8 @22 FAULT 0x5000`)).toEqual(['8 munmap=0', '7 munmap=0', '8 fault 5000']);
  });

  it('outlasts thousands of calls without effect that wait behind one', () => {
    const idle = Array.from({ length: 6000 }, (_, i) => `8 @${20 + i} munmap(0x2000, 4096) = ?`).join('\n');
    expect(order(`
      7 @10 munmap(0x1000, 4096 <unfinished ...>
      8 @11 brk(NULL) = 0x1000
      ${idle}
      7 @9000 <... munmap resumed>) = 0
      7 @9500 brk(NULL) = 0x2000`, `
      sh 8/8 @12 LOCK
      sh 7/7 @8000 LOCK
      sh 7/7 @9501 LOCK`)).toEqual(['8 brk=1000', '7 munmap=0', '7 brk=2000']);
  });

  it('puts a call that took no lock at its entry, before an event of the same stamp', () => {
    expect(order(`
      7 @10 munmap(0x1000, 4096) = 0
      7 @20 mmap(0x1001, 0, 0x3, 0x32, -1, 0) = -1 EINVAL (Invalid argument)
      7 @40 brk(NULL) = 0x1000`, `
      sh 7/7 @12 LOCK
      sh 7/7 @20 FAULT 0x5000
      sh 7/7 @21 LOCK
      sh 7/7 @41 LOCK
      sh 7/7 @42 FAULT 0x6000`)).toEqual(['7 munmap=0', '7 mmap=-16', '7 fault 5000', '7 brk=1000', '7 fault 6000']);
  });

  it('puts advice that changes only pages at its entry', () => {
    expect(order(`
      7 @10 munmap(0x1000, 4096) = 0
      7 @20 madvise(0x1000, 4096, 0x4) = 0`, `
      sh 7/7 @12 LOCK
      sh 9/9 @20 FAULT 0x1
      sh 7/7 @30 FAULT 0x1000
      sh 7/7 @31 LOCK`)).toEqual(['7 munmap=0', '7 madvise=0', '7 fault 1000']);
  });

  it('gives an mmap the device and inode of its MMAP2', () => {
    expect(order(`
      7 @10 execve("./a", ["a"], 0x1 /* 1 var */) = 0
      7 @20 mmap(NULL, 4096, 0x1, 0x2, 3</tmp/a>, 0) = 0x4000
      7 @30 mmap(NULL, 4096, 0x3, 0x22, -1, 0) = 0x5000`, `
      sh 7/7 @11 COMM exec a
      sh 7/7 @12 LOCK
      sh 7/7 @13 MMAP2 0x7fff0000 [stack]
      sh 7/7 @14 MMAP2 0x1000 /tmp/a
      sh 7/7 @15 FAULT 0x7fff0000
      sh 7/7 @22 LOCK
      sh 7/7 @23 MMAP2 0x4000 /tmp/a
      sh 7/7 @24 FAULT 0x4000
      sh 7/7 @32 LOCK
      sh 7/7 @33 MMAP2 0x5000 //anon`)).toEqual([
      '7 execve=0', '7 exec ./a a [[stack] /tmp/a]', '7 fault 7fff0000', '7 mmap=4000 fe:00 55 /tmp/a', '7 fault 4000', '7 mmap=5000']);
  });

  it('learns the heap from the first brk(NULL), interrupted or not', () => {
    for (const brk of ['7 @20 brk(NULL) = 0x9000', '7 @20 brk(NULL <unfinished ...>\n7 @25 <... brk resumed>) = 0x9000']) {
      expect(order(`
        7 @10 execve("./a", ["a"], 0x1 /* 1 var */ <unfinished ...>
        7 @16 <... execve resumed>) = 0
        ${brk}`, 'sh 7/7 @11 COMM exec a\nsh 7/7 @12 LOCK\nsh 7/7 @13 MMAP2 0x1000 /a\nsh 7/7 @14 FAULT 0x1000\nsh 7/7 @21 LOCK')).toEqual([
        '7 execve=NaN', '7 exec ./a a [/a] brk 9000', '7 fault 1000', '7 brk=9000'].map((line, i) => (i === 0 ? line.replace('NaN', '0') : line)));
    }
  });

  it('bears a child at its FORK event, before strace knows of it', () => {
    expect(order(`
      7 @10 brk(NULL) = 0x1000
      7 @20 clone(child_stack=NULL, flags=0x1200000|17) = 8
      7 @30 vfork( <unfinished ...>
      9 @35 execve("/none", ["x"], 0x1 /* 0 vars */) = -1 ENOENT (No such file or directory)
      9 @36 exit_group(1) = ?
      9 @38 +++ exited with 1 +++
      7 @39 <... vfork resumed>) = 9
      7 @40 clone3({flags=0x3d0f00, stack=0x7f} => {parent_tid=[10]}, 88) = 10
      8 @50 exit_group(0) = ?`, `
      sh 7/7 @12 LOCK
      sh 7/7 @21 FORK(8:8):(7:7)
      sh 8/8 @22 FAULT 0x1000
      sh 7/7 @31 FORK(9:9):(7:7)
      sh 9/9 @37 EXIT(9:9):(7:7)
      sh 7/7 @41 FORK(7:10):(7:7)
      sh 7/10 @42 FAULT 0x2000
      sh 8/8 @51 EXIT(8:8):(7:7)`)).toEqual([
      '7 brk=1000', '7 clone=8', '7 fork 8:8 0x1200011', '8 fault 1000', '7 vfork=9', '7 fork 9:9 0x4100', '9 execve=-2',
      '9 exit_group=NaN', '9 exit', '7 clone3=a', '7 fork 7:10 0x10100', '10 fault 2000', '8 exit_group=NaN', '8 exit']);
  });

  it('compares a process when its files were read', () => {
    expect(order('7 @10 brk(NULL) = 0x1000\n7 @20 brk(0x2000) = 0x2000', 'sh 7/7 @12 LOCK\nsh 7/7 @21 LOCK', 'read_7 @15')).toEqual([
      '7 brk=1000', '7 compare', '7 brk=2000']);
  });

  it('does without perf', () => {
    expect(order(`
      7 @10 execve("./a", ["a"], 0x1 /* 1 var */) = 0
      7 @20 vfork( <unfinished ...>
      8 @21 execve("./b", ["b"], 0x1 /* 1 var */ <unfinished ...>
      7 @22 <... vfork resumed>) = 8
      8 @23 <... execve resumed>) = 0
      7 @30 clone(child_stack=NULL, flags=CLONE_VM|CLONE_THREAD) = 9
      9 @31 munmap(0x1000, 4096) = 0
      8 @40 +++ exited with 0 +++`, null)).toEqual([
      '7 execve=0', '7 exec ./a null []', '7 vfork=8', '7 fork 8:8 0x4100', '8 execve=0', '8 exec ./b null []',
      '7 clone=9', '7 fork 7:9 0x10100', '9 munmap=0', '8 exit']);
  });

  it('gives a thread that calls execve the number of its leader', () => {
    const strace = `
      7 @10 clone(child_stack=NULL, flags=CLONE_VM|CLONE_THREAD) = 8
      7 @20 munmap(0x1000, 4096 <unfinished ...>
      8 @21 execve("./b", ["b"], 0x1 /* 1 var */ <unfinished ...>
      7 @40 +++ superseded by execve in pid 8 +++
      7 @41 <... execve resumed>) = 0
      7 @42 brk(NULL) = 0x9000`;
    expect(order(strace, `
      sh 7/7 @11 FORK(7:8):(7:7)
      sh 7/7 @12 LOCK
      sh 7/7 @30 EXIT(7:7):(1:1)
      sh 7/7 @31 COMM exec b
      sh 7/7 @32 MMAP2 0x1000 /b
      sh 7/7 @43 LOCK`)).toEqual(['7 clone=8', '7 fork 7:8 0x10100', '8 execve=0', '7 exit', '7 exec ./b b [/b] brk 9000', '7 brk=9000']);
    expect(order(strace, null)).toEqual(['7 clone=8', '7 fork 7:8 0x10100', '8 execve=0', '7 exec ./b null [] brk 9000', '7 brk=9000']);
  });

  it('leaves out calls that never came back', () => {
    expect(order(`
      7 @10 munmap(0x1000, 4096 <unfinished ...>
      7 @11 +++ killed by SIGKILL +++
      8 @12 mremap(0x1000, 1, 2, 0, 0) = ? ERESTARTSYS (To be restarted)
      9 @13 mlock(0x1000, 1 <unfinished ...>`, null)).toEqual(['7 exit']);
  });
});

describe.each(recordings())('%s', (folder) => {
  it('is read whole, with nothing skipped and nothing missing', () => {
    const { effects, recording } = read(folder);
    expect(recording.skipped).toEqual([]);
    expect(recording.missing).toEqual([]);
    expect(recording.progress).toBe(1);
    const filed = effects.filter((effect) => effect.kind === 'call' && effect.name === 'mmap' && effect.result > 0 && (effect.args[3] & 0x20) === 0);
    expect(filed.filter((effect) => effect.kind === 'call' && effect.mapped === null)).toEqual([]);
    const compared = effects.filter((effect) => effect.kind === 'compare');
    expect(compared.map(({ pid }) => pid).sort((a, b) => a - b)).toEqual(recording.ends.pids);
    for (const effect of effects) if (effect.kind === 'exec') expect(effect.rows.map(({ name }) => name)).toContain('[stack]');
    expect(basename(folder)).toBe(recording.name);
  });
});
