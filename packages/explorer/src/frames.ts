/**
 * Threads as values. A task in the frames form (tools/build) is a chain of frames whose
 * local variables can be copied out and in: a thread is then its frames, and neither its
 * past nor a new run is needed to compare it or to have it twice.
 */
import type { Hash } from './hash.js';

/** A frame as the build makes it. */
export interface FrameTask {
  readonly isFrame: true;
  readonly make: (...args: unknown[]) => FrameTask;
  readonly self: unknown;
  readonly info: FrameInfo;
  readonly body: (frame: FrameTask) => number;
  label: number;
  /** 1: copy the variables out into `arg`; 2: copy them in. */
  io: 0 | 1 | 2;
  arg: unknown;
  parent: FrameTask | null;
  leaf: FrameTask | null;
  /** Of frames inside of a try statement, and of those that delegate to something that is no frame. */
  readonly extra: { readonly tries: number[][]; readonly ops: [number, unknown][]; readonly delegate: unknown } | null;
  /** Made by asking for it. */
  readonly trys: number[][];
}

/** What the build knows of a function; lists are by label. */
export interface FrameInfo {
  /** Given when it is first met. */
  id?: number;
  readonly nrParams: number;
  readonly file: string;
  readonly name: string;
  /** Variables that matter, as bits; null: all. */
  readonly live: readonly number[] | null;
  /** Line of the call that a caller waits in, and of what a block begins with or the point in it. */
  readonly calls: readonly number[];
  readonly blocks: readonly number[];
}

interface FrameState {
  readonly make: (...args: unknown[]) => FrameTask;
  readonly self: unknown;
  readonly nrParams: number;
  readonly label: number;
  readonly variables: unknown[];
  readonly tries: number[][] | null;
  readonly ops: [number, unknown][] | null;
}

/** The frames of a thread, outermost first. Never changed once made. */
export interface ThreadState {
  readonly frames: readonly FrameState[];
  /** Whether a variable holds an object that must be copied with its frame. */
  readonly hasObjects: boolean;
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

/** Copies a suspended task; throws Opaque where it cannot. */
export function saveTask(task: FrameTask, constants: Constants, hash: Hash): ThreadState {
  const frames: FrameState[] = [];
  const copies: Map<object, unknown> = new Map();
  let hasObjects = false;
  hash.reset(0x3c6ef372);
  for (let frame = task.leaf; frame !== null; frame = frame.parent) {
    const { extra } = frame;
    if (extra !== null && extra.delegate !== null) throw new Opaque('a task delegates to something that is no frame');
    frame.io = 1;
    frame.body.call(frame.self, frame);
    frame.io = 0;
    const variables = frame.arg as unknown[];
    frame.arg = undefined;
    const { info, label } = frame;
    // a function that was made at run time is not told from others made at its place: its variables would be
    hash.add(((info.id ??= ++lastId) << 10) ^ label);
    if (info.name === '') hash.add(constants.idOfFunction(frame.make));
    const { live } = info;
    const bits = live === null ? -1 : live[label] ?? -1;
    for (let i = 0; i < variables.length; i++) {
      if ((bits & (1 << i)) === 0 && i < 32) {
        variables[i] = undefined;
        continue;
      }
      const value = variables[i];
      // the task that this frame delegates to is a frame of the chain itself
      if (value === constants.root || isFrameTask(value)) continue;
      if (typeof value === 'number') hash.addNumber(value);
      else if (mix(value, constants, hash, 0)) {
        variables[i] = copy(value as object, constants, copies);
        hasObjects = true;
      }
    }
    const tries = extra?.tries.map((region) => region.slice()) ?? null;
    const ops = extra?.ops.map(([op, arg]): [number, unknown] => [op, arg]) ?? null;
    if (tries !== null) for (const region of tries) for (const part of region) hash.add(part ?? -1);
    if (ops !== null) for (const [op, arg] of ops) { hash.add(op); mix(arg, constants, hash, 0); }
    frames.push({ make: frame.make, nrParams: info.nrParams, self: frame.self, label, variables, tries, ops });
    if (frame === task) break;
  }
  hash.finish();
  return { frames, hasObjects, lo: hash.lo, hi: hash.hi };
}

/** A task that goes on as the saved one would. */
export function loadTask(state: ThreadState, constants: Constants): FrameTask {
  const copies: Map<object, unknown> | null = state.hasObjects ? new Map() : null;
  let parent: FrameTask | null = null;
  let root: FrameTask | null = null;
  let leaf: FrameTask | null = null;
  for (let i = state.frames.length - 1; i >= 0; i--) {
    const { make, self, nrParams, variables, label, tries, ops } = state.frames[i] as FrameState;
    const own = copies === null ? variables : variables.map((value) => (isObject(value) && !constants.has(value) ? copy(value, constants, copies) : value));
    const frame = remake(make, self, nrParams, own);
    frame.arg = own;
    frame.io = 2;
    frame.body.call(self, frame);
    frame.io = 0;
    frame.arg = undefined;
    frame.label = label;
    if (tries !== null) for (const region of tries) frame.trys.push(region.slice());
    if (ops !== null && ops.length > 0) for (const [op, arg] of ops) frame.extra?.ops.push([op, arg]);
    frame.parent = parent;
    parent = frame;
    root ??= frame;
    leaf = frame;
  }
  (root as FrameTask).leaf = leaf;
  return root as FrameTask;
}

/** Few functions have many parameters, and a plain call is several times faster than `apply`. */
function remake(make: FrameState['make'], self: unknown, nrParams: number, own: unknown[]): FrameTask {
  switch (nrParams) {
    case 0: return make.call(self);
    case 1: return make.call(self, own[0]);
    case 2: return make.call(self, own[0], own[1]);
    case 3: return make.call(self, own[0], own[1], own[2]);
    case 4: return make.call(self, own[0], own[1], own[2], own[3]);
    default: return make.apply(self, own);
  }
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
