/** Where in the kernel's source a thread stands. */
import type { Execution } from './execution.js';
import { isFrameTask } from './frames.js';

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

/** Frames that know their lines, as the build makes them. */
interface FrameSites {
  readonly sites?: { readonly file: string; readonly lines: readonly number[] };
}

const PRIMITIVES = /[\\/]locking[\\/]/;
const OURS = /[\\/]explorer[\\/]src[\\/]|frame-runtime/;
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

/** The frame that runs now is not yet at its leaf's place: the chain is followed from where it was entered. */
function callsOfFrames(task: unknown): Call[] {
  const calls: Call[] = [];
  interface Link extends FrameSites { readonly parent: Link | null; readonly label: number; readonly make: { readonly name: string } }
  for (let frame = (task as { present?: Link | null; leaf: Link | null }).present ?? (task as { leaf: Link | null }).leaf; frame !== null; frame = frame.parent) {
    calls.push({ fn: frame.make.name, file: frame.sites?.file ?? '', line: frame.sites?.lines[frame.label] ?? 0 });
  }
  return calls;
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
    const fn = name.replace(/^(Object|Module|exports)\./, '').replace(/\.next$/, '').replace(/ \[as .*\]$/, '');
    if (fn === '' || OURS.test(file) || OWN_NAMES.test(fn) || /\.next$|^next$/.test(name)) continue;
    calls.push({ fn, file, line: Number(at) });
  }
  return calls;
}
