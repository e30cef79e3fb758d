import { afterAll, describe, expect, it } from '@jest/globals';
import { join } from 'node:path';
import { Recording, RecordingError } from '@mmun/recording';
import { removeFolders, writeFolder } from './folder.js';

afterAll(removeFolders);

const TRACE = `7 1700000000.000010000 execve("./a", ["a"], 0x1 /* 1 var */) = 0
7 1700000000.000020000 brk(NULL) = 0x9000
7 1700000000.000030000 +++ exited with 0 +++
`;
const PERF = `sh 7/7 1700000000.000011000: PERF_RECORD_COMM exec: a:7/7
sh 7/7 1700000000.000012000: PERF_RECORD_MMAP2 7/7: [0x7fff0000(0x1000) @ 0 00:00 0 0]: rw-p [stack]
sh 7/7 1700000000.000021000: mmap_lock:mmap_lock_acquire_returned: mm=0xffff888104423200 memcg_id=1 write=true success=true
sh 7/7 1700000000.000022000: exceptions:page_fault_user: address=0x7fff0000 ip=0x1 error_code=0x6
`;
const WHOLE = { 'trace.strace': TRACE, 'events.perf': PERF, environment: 'read_7 1700000000.000025\n', files: '', elf: '' };

function skippedOf(files: Readonly<Record<string, string | Uint8Array>>): string[] {
  const recording = new Recording(writeFolder({ ...WHOLE, files: 'fe:00 1 1 /a\n', elf: '/a 0 0 1 1 4 1000\n', ...files }));
  while (recording.next() !== null);
  recording.close();
  return recording.skipped.map(({ file, line, reason }) => `${file.split('/')[1]}:${line} ${reason}`);
}

function errorOf(path: string): RecordingError {
  try {
    new Recording(path).close();
  } catch (error) {
    expect(error).toBeInstanceOf(RecordingError);
    return error as RecordingError;
  }
  throw new Error('it was opened');
}

describe('a damaged recording', () => {
  it('whole: nothing is skipped', () => expect(skippedOf({})).toEqual([]));

  it('a missing folder, a missing, an empty and an unrecognisable trace are errors of one line', () => {
    expect(errorOf(join(writeFolder({}), 'none')).message).toMatch(/none: missing: expected a recording's folder or a strace log$/);
    expect(errorOf(writeFolder({})).message).toMatch(/trace\.strace: missing: expected the output of strace -f$/);
    expect(errorOf(writeFolder({ 'trace.strace': '' })).message).toMatch(/trace\.strace: empty: expected the output of strace -f$/);
    const garbage = errorOf(writeFolder({ 'trace.strace': Buffer.from([0, 1, 2, 255, 10, 7]) }));
    expect(garbage).toMatchObject({ line: 1, expected: 'expected a strace line, `PID TIME NAME(ARGUMENTS) = RESULT`' });
    expect(garbage.message).not.toContain('\n');
  });

  it('a cut line', () => {
    expect(skippedOf({ 'trace.strace': `${TRACE}7 1700000000.00004 mmap(NULL, 81` })).toEqual(['trace.strace:4 cut line: expected the rest of mmap']);
    expect(skippedOf({ 'events.perf': `${PERF}sh 7/7 1700000000.00002` })).toEqual(['events.perf:5 expected `COMM PID/TID TIME: EVENT`']);
    expect(skippedOf({ 'events.perf': `${PERF}sh 7/7 1700000000.000026000: PERF_RECORD_MMAP2 7/7: [0x7fff` })).toEqual([
      'events.perf:5 cut line: expected the rest of a PERF_RECORD']);
  });

  it('a cut stat of a process that never called execve', () => {
    const row = '7fff0000-7fff1000 rw-p 00000000 00:00 0                          [stack]\n';
    const recording = new Recording(writeFolder({ ...WHOLE, files: 'fe:00 1 1 /a\n', elf: '/a 0 0 1 1 4 1000\n', 'maps.7.end': row, 'stat.7.end': '7 (a) t 1 7 7' }));
    for (let i = 0; i < 2; i++) recording.ends.read(7);
    recording.close();
    expect(recording.skipped.map(({ file, reason }) => `${file.split('/')[1]} ${reason}`)).toEqual(['stat.7.end expected /proc/PID/stat with 52 fields']);
  });

  it('binary garbage between good lines, bounded', () => {
    const bytes = Buffer.concat([Buffer.from(TRACE), Buffer.from('\u0000\u0007\n'.repeat(1000))]);
    const skipped = skippedOf({ 'trace.strace': bytes });
    expect(skipped).toHaveLength(201);
    expect(skipped[0]).toBe('trace.strace:4 expected `NAME(ARGUMENTS) = RESULT`');
    expect(skipped[200]).toBe('trace.strace:1003 800 more like these, up to this line');
  });

  it('an unknown call', () => {
    expect(skippedOf({ 'trace.strace': TRACE.replace('7 1700000000.00003', '7 1700000000.000025 mmap9(1) = 0\n7 1700000000.00003') })).toEqual([
      'trace.strace:3 unknown system call mmap9']);
  });

  it('a half without its other half', () => {
    expect(skippedOf({ 'trace.strace': TRACE.replace('7 1700000000.00003', '7 1700000000.000025 <... mmap resumed>) = 0x1000\n7 1700000000.00003') })).toEqual([
      'trace.strace:3 mmap resumed, but never unfinished']);
  });

  it('a maps file of another process', () => {
    expect(skippedOf({ 'maps.8.end': 'x', 'stat.8.end': 'x' })).toEqual([
      'maps.8.end:0 the trace knows no process 8', 'stat.8.end:0 the trace knows no process 8']);
  });

  it('empty files', () => {
    expect(skippedOf({ 'events.perf': '', environment: '', files: '', elf: '' }).sort()).toEqual([
      'elf:0 empty file', 'environment:0 empty file', 'events.perf:0 empty file: expected the output of perf script', 'files:0 empty file']);
  });

  it('a file of something else', () => {
    expect(skippedOf({ 'events.perf': 'hello\nworld\n', files: 'hello\n' })).toEqual([
      'files:1 expected `MAJ:MIN INODE SIZE PATH`', 'events.perf:1 expected `COMM PID/TID TIME: EVENT`: no line of the file is that']);
  });

  it('lost events', () => {
    expect(skippedOf({ 'events.perf': `${PERF}sh 7/7 1700000000.000026000: PERF_RECORD_LOST lost 3\n` })).toEqual([
      'events.perf:5 perf lost 3 events here: what follows cannot be trusted']);
  });

  it('a log alone says what it lacks', () => {
    const recording = new Recording(join(writeFolder({ 'a.log': TRACE }), 'a.log'));
    while (recording.next() !== null);
    expect(recording.missing).toEqual(['a trace alone: no faults, no mappings of execve, no end states to compare with']);
    expect(recording.name).toBe('a.log');
    recording.close();
  });

  it('poorer perf events say what they lack', () => {
    const recording = new Recording(writeFolder({ ...WHOLE, files: 'x', 'events.perf': 'sh 7/7 1700000000.000022000: page-faults:     7fff0000\n' }));
    while (recording.next() !== null);
    expect(recording.missing.map((text) => text.split(':')[0])).toEqual([
      'maps.PID.end', 'mmap_lock events', 'error codes of faults', 'PERF_RECORD_MMAP2']);
    recording.close();
  });
});
