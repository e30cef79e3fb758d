/** Where in the kernel's source a thread stands. */
import type { Execution } from './execution.js';
import { isFrameTask } from './frames.js';
import type { FrameTask, ThreadState } from './frames.js';

export interface Site {
  /** Innermost function that is no locking primitive. */
  readonly fn: string;
  readonly file: string;
  /** 1 first; 0 where it is not known. */
  readonly line: number;
  /** Function by function outwards, `fn` first. */
  readonly callers: readonly string[];
}

interface Call {
  readonly fn: string;
  readonly file: string;
  readonly line: number;
}

/** Locks, and the services by which a driver reaches them: what is of interest is who calls. */
const PRIMITIVES = /(?:@mmun|packages)[\\/](?:locking[\\/]|mm[\\/](?:src[\\/])?services)/;
const OURS = /(?:@mmun|packages)[\\/](?:(?:explorer|oracle|plugin-kit)[\\/](?:src|dist)[\\/]|races[\\/](?:src|dist)[\\/]check-race)|frame-runtime|^node:/;
const OWN_NAMES = /^(Execution|Player|SchedulePlayer|ScriptPlayer|Frame|siteOf|callsOnStack|point|pointUntil|Generator)\b/;

/** To be asked while the thread is at its point. */
export function siteOf(x: Execution, thread: number): Site | null {
  const task: unknown = x.tasks[thread];
  const calls = isFrameTask(task) ? callsOfFrames(task) : callsOnStack();
  const at = calls.findIndex(({ file }) => !PRIMITIVES.test(file));
  const call = calls[Math.max(at, 0)];
  if (call === undefined) return null;
  return { fn: call.fn, file: call.file, line: call.line, callers: calls.slice(Math.max(at, 0)).map(({ fn }) => fn) };
}

function callsOfFrames(task: FrameTask): Call[] {
  const calls: Call[] = [];
  for (let frame: FrameTask | ThreadState | null = task.leaf; frame !== null; frame = frame.parent ?? aboveOf(frame)) {
    const { name, file, calls: waits, blocks } = frame.info;
    calls.push({ fn: name.replace(/\$\w+$/, ''), file, line: (calls.length === 0 ? blocks[frame.label] : waits[frame.label]) ?? 0 });
  }
  return calls.filter(({ fn }) => fn !== '');
}

/** Frames above that were not needed since they were copied. */
function aboveOf(frame: FrameTask | ThreadState): ThreadState | null {
  return 'above' in frame ? frame.above : null;
}

function callsOnStack(): Call[] {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 40;
  const text = new Error('here').stack ?? '';
  Error.stackTraceLimit = limit;
  const calls: Call[] = [];
  for (const line of text.split('\n').slice(1)) {
    const match = /^\s*at (?:(.+?) \()?(?:file:\/\/)?(.*?):(\d+):\d+\)?$/.exec(line);
    if (match === null) continue;
    const [, name = '', file = '', at = '0'] = match;
    const fn = name.replace(/^(Object|Module|exports|RaceContext|RaceDevice)\./, '').replace(/\.next$/, '').replace(/ \[as .*\]$/, '');
    if (fn === '' || fn.startsWith('<') || fn.startsWith('async ') || fn.startsWith('ModuleJob') || OURS.test(file) || OWN_NAMES.test(fn) || /\.next$|^next$/.test(name)) continue;
    calls.push({ fn, file, line: Number(at) });
  }
  return calls;
}
