/**
 * Threads as values. A task in the frames form (tools/build) is a chain of frames whose
 * local variables can be copied out and in: a thread is then its frames, and neither its
 * past nor a new run is needed to compare it or to have it twice.
 */
import type { Hash } from './hash.js';

/** A frame as the build makes it. */
export interface FrameTask {
  readonly isFrame: true;
  readonly info: FrameInfo;
  readonly body: (frame: FrameTask) => number;
  /** `this`, then the variables, where they are not captured by the body. */
  readonly vars: unknown[];
  /** Where they are: the function that makes such a frame. */
  readonly make: ((...args: unknown[]) => FrameTask) | null;
  label: number;
  /** 1: copy captured variables out into `arg`. */
  io: 0 | 1 | 2;
  arg: unknown;
  parent: FrameTask | null;
  /** The parent, where it is only known as it was saved. */
  above: ThreadState | null;
  /** What this frame and those above are; null once one of them has run. */
  saved: ThreadState | null;
  leaf: FrameTask | null;
  /** Of frames inside of a try statement, and of those that delegate to something that is no frame. */
  readonly extra: { readonly tries: number[][]; readonly ops: [number, unknown][]; readonly delegate: unknown } | null;
}

/** What the build knows of a function; lists are by label. */
export interface FrameInfo {
  /** Given when it is first met. */
  id?: number;
  readonly file: string;
  readonly name: string;
  /** Variables that matter, as bits; null: all. */
  readonly live: readonly number[] | null;
  /** Line of the call that a caller waits in, and of what a block begins with or the point in it. */
  readonly calls: readonly number[];
  readonly blocks: readonly number[];
  readonly Frame: { revive(saved: ThreadState, vars: unknown[]): FrameTask };
}

/** The frames of a thread, innermost first. Never changed once made, and shared by all states in which they are the same. */
export interface ThreadState {
  readonly info: FrameInfo;
  readonly body: FrameTask['body'];
  readonly make: FrameTask['make'];
  readonly label: number;
  readonly vars: readonly unknown[];
  readonly tries: number[][] | null;
  readonly ops: [number, unknown][] | null;
  readonly parent: ThreadState | null;
  /** A variable, here or above, holds an object that must be copied with its frame. */
  readonly hasObjects: boolean;
  /** Of this frame and all above. */
  readonly lo: number;
  readonly hi: number;
}

/** A variable holds something that cannot be compared or copied: a function made in the task, a foreign object. */
export class Opaque extends Error {}

export function isFrameTask(task: unknown): task is FrameTask {
  return typeof task === 'object' && task !== null && (task as { isFrame?: unknown }).isFrame === true;
}

/** Objects that were there before the first step: part of the machine or of the code, the same in every state. */
export class Constants {
  private readonly ids: Map<object, number> = new Map();
  private readonly functions: WeakMap<object, number> = new WeakMap();
  private nrFunctions = 0;
  /** The machine itself: what most frames hold. */
  readonly root: object;

  constructor(root: object) {
    this.root = root;
    const open: object[] = [root];
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (this.ids.has(next)) continue;
      this.ids.set(next, this.ids.size + 1);
      if (ArrayBuffer.isView(next) || next instanceof ArrayBuffer || this.ids.size > MAX_CONSTANTS) continue;
      for (const value of Object.values(next)) if (typeof value === 'object' && value !== null) open.push(value as object);
    }
  }

  has(value: object): boolean {
    return this.ids.has(value);
  }

  idOf(value: object): number {
    return this.ids.get(value) ?? 0;
  }

  idOfFunction(fn: object): number {
    let id = this.functions.get(fn);
    if (id === undefined) this.functions.set(fn, (id = ++this.nrFunctions));
    return id;
  }
}

let lastId = 0;
const MAX_CONSTANTS = 200_000;
const MAX_DEPTH = 6;

/** Copies a suspended task, from the first frame on that has run since it was last copied; throws Opaque where it cannot. */
export function saveTask(task: FrameTask, constants: Constants, hash: Hash): ThreadState {
  let frame = task.leaf as FrameTask;
  // most often only the innermost has run
  if (frame.saved !== null) return frame.saved;
  let depth = 0;
  let state: ThreadState | null = null;
  for (;;) {
    CHAIN[depth++] = frame;
    if (frame.parent === null) {
      state = frame.above;
      break;
    }
    frame = frame.parent;
    state = frame.saved;
    if (state !== null) break;
  }
  const copies: Copies = { made: null };
  while (depth > 0) {
    frame = CHAIN[--depth] as FrameTask;
    state = saveFrame(frame, state, constants, hash, copies);
    if (!state.hasObjects) frame.saved = state;
  }
  return state as ThreadState;
}

/** Frames of one task that is being copied. */
const CHAIN: FrameTask[] = [];

/** Objects that one thread holds, and their copies. */
interface Copies {
  made: Map<object, unknown> | null;
}

function saveFrame(frame: FrameTask, parent: ThreadState | null, constants: Constants, hash: Hash, copies: Copies): ThreadState {
  const { extra, info, label } = frame;
  if (extra !== null && extra.delegate !== null) throw new Opaque('a task delegates to something that is no frame');
  const vars = variablesOf(frame);
  if (parent === null) hash.reset(0x3c6ef372);
  else {
    hash.lo = parent.lo;
    hash.hi = parent.hi;
  }
  // a function that was made at run time is not told from others made at its place: its variables would be
  hash.add(((info.id ??= ++lastId) << 10) ^ label);
  if (info.name === '') hash.add(constants.idOfFunction((frame.make ?? frame.body) as object));
  const { live } = info;
  const bits = live === null ? -1 : live[label] ?? -1;
  let hasObjects = parent !== null && parent.hasObjects;
  for (let i = 1; i < vars.length; i++) {
    if ((bits & (1 << (i - 1))) === 0 && i <= 32) {
      vars[i] = undefined;
      continue;
    }
    const value = vars[i];
    if (typeof value === 'number') hash.addNumber(value);
    else if (value === constants.root) continue;
    // the task that this frame delegates to is a frame of the chain itself; one that it delegated to is over, as if there had been none
    else if (isFrameTask(value)) mix(vars[i] = undefinedUnlessNew(value), constants, hash, 0);
    else if (mix(value, constants, hash, 0)) {
      vars[i] = copy(value as object, constants, copies.made ??= new Map());
      hasObjects = true;
    }
  }
  const tries = extra?.tries.map((region) => region.slice()) ?? null;
  const ops = extra?.ops.map(([op, arg]): [number, unknown] => [op, arg]) ?? null;
  if (tries !== null) for (const region of tries) for (const part of region) hash.add(part ?? -1);
  if (ops !== null) for (const [op, arg] of ops) { hash.add(op); mix(arg, constants, hash, 0); }
  hash.finish();
  return { info, body: frame.body, make: frame.make, label, vars, tries, ops, parent, hasObjects, lo: hash.lo, hi: hash.hi };
}

/** `this`, then the variables; the caller's to keep. */
function variablesOf(frame: FrameTask): unknown[] {
  if (frame.make === null) return frame.vars.slice();
  frame.io = 1;
  frame.body(frame);
  frame.io = 0;
  const own = frame.arg as unknown[];
  frame.arg = undefined;
  return [frame.vars[0], ...own];
}

/** A task that was made and not yet begun would be begun by each of those who hold it. */
function undefinedUnlessNew(task: FrameTask): undefined {
  if (task.parent === null && task.label === 0 && task.leaf === task) throw new Opaque('a local variable holds a task that has not begun');
}

/** A task that goes on as the saved one would. Frames above wait as they were saved until they are needed. */
export function loadTask(state: ThreadState, constants: Constants): FrameTask {
  if (!state.hasObjects) return loadFrame(state, state.vars.slice(), state);
  // what holds objects may share them
  const copies: Map<object, unknown> = new Map();
  const owned = (from: ThreadState): unknown[] => from.vars.map((value, i) => (i > 0 && isObject(value) && !constants.has(value) ? copy(value, constants, copies) : value));
  const leaf = loadFrame(state, owned(state), null);
  let frame = leaf;
  for (let next = state.parent; next !== null && next.hasObjects; next = next.parent) {
    const parent = loadFrame(next, owned(next), null);
    frame.parent = parent;
    frame = parent;
  }
  return leaf;
}

function loadFrame(state: ThreadState, vars: unknown[], saved: ThreadState | null): FrameTask {
  const frame = state.info.Frame.revive(state, vars);
  frame.above = state.parent;
  frame.saved = saved;
  return frame;
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null;
}

/** Adds a value that is no number. @returns whether it is an object with contents of its own */
function mix(value: unknown, constants: Constants, hash: Hash, depth: number): boolean {
  switch (typeof value) {
    case 'undefined': hash.add(0x51); return false;
    case 'boolean': hash.add(value ? 0x53 : 0x52); return false;
    case 'number': hash.addNumber(value); return false;
    case 'string': hash.addString(value); return false;
    case 'bigint': hash.addString(value.toString()); return false;
    case 'function':
      if ((value as { seesFrame?: boolean }).seesFrame === true) throw new Opaque('a local variable holds a function that was made in the task');
      hash.add(constants.idOfFunction(value));
      return false;
    case 'object': return value === null ? (hash.add(0x54), false) : mixObject(value, constants, hash, depth);
    default: throw new Opaque(`a local variable holds a ${typeof value}`);
  }
}

function mixObject(value: object, constants: Constants, hash: Hash, depth: number): boolean {
  if (constants.has(value)) {
    hash.add(constants.idOf(value));
    return false;
  }
  if (depth > MAX_DEPTH) throw new Opaque('a local variable holds objects in objects without end');
  if (Array.isArray(value)) {
    hash.add(value.length);
    for (const item of value) mix(item, constants, hash, depth + 1);
    return true;
  }
  if (ArrayBuffer.isView(value)) return mixView(value as ArrayBufferView & ArrayLike<number>, constants, hash);
  if (isPlain(value)) {
    for (const [key, item] of Object.entries(value)) {
      hash.addString(key);
      mix(item, constants, hash, depth + 1);
    }
    return true;
  }
  if (isError(value)) {
    hash.addString(`${value.name}: ${value.message}`);
    return false;
  }
  throw new Opaque(`a local variable holds a ${value.constructor?.name ?? 'foreign object'}`);
}

/** A view of a constant buffer is where it lies; any other is what it holds. */
function mixView(view: ArrayBufferView & ArrayLike<number>, constants: Constants, hash: Hash): boolean {
  if (constants.has(view.buffer)) {
    hash.add(view.byteOffset);
    hash.add(view.byteLength);
    return false;
  }
  hash.add(view.length);
  for (let i = 0; i < view.length; i++) hash.addNumber(view[i] as number);
  return true;
}

/** Of any realm; nobody changes one. */
function isError(value: object): value is Error {
  return Object.prototype.toString.call(value) === '[object Error]';
}

/** Object literals, and the cursor that the build gives to a `for of` over an array. */
function isPlain(value: object): boolean {
  const proto: unknown = Object.getPrototypeOf(value);
  return proto === Object.prototype || proto === null || (proto as { constructor?: { name?: string } }).constructor?.name === 'ArrayCursor';
}

/** A copy with the same sharing inside of one thread. */
function copy(value: object, constants: Constants, copies: Map<object, unknown>): unknown {
  const known = copies.get(value);
  if (known !== undefined) return known;
  if (constants.has(value) || isError(value)) return value;
  if (ArrayBuffer.isView(value)) {
    const own = constants.has(value.buffer) ? value : (value as unknown as { slice(): object }).slice();
    copies.set(value, own);
    return own;
  }
  const into: Record<string, unknown> | unknown[] = Array.isArray(value) ? [] : (Object.create(Object.getPrototypeOf(value) as object | null) as Record<string, unknown>);
  copies.set(value, into);
  for (const [key, item] of Object.entries(value)) (into as Record<string, unknown>)[key] = isObject(item) ? copy(item, constants, copies) : item;
  return into;
}
