// What tasks of the frames form run on: a task is a chain of frames, each a function, a label and the values of its local
// variables, so that a task can be looked at, compared and copied. Bundled into whatever holds such tasks.
//
// The functions are what the compiler's lowering of generators leaves, with small numbers for its instructions:
//   2 return arg   3 go to label arg   4 yield   5 delegate to arg   7 end of finally   9 yield, and do not ask again; 6 is a throw

/** What tasks yield: the second, where a wait is over once the task goes on. */
const STEPPED = Object.freeze({ value: 'step', done: false });
const TURN = Object.freeze({ value: 'turn', done: false });

/** Of frames inside of a try statement, and of those that delegate to something that is no frame. */
class Extra {
  /** @type {number[][]} */
  tries = [];
  /** @type {[number, any][]} */
  ops = [];
  /** @type {Iterator<unknown> | null} */
  delegate = null;
}

/**
 * What is known of a function: where it is, which variables matter by label (null: all), the lines of calls and blocks by
 * label; the body of a function expression where it is split off.
 * @typedef {{ file: string, name: string, nrParams: number, live: number[] | null, calls: number[], blocks: number[], Frame: typeof Frame, body: ((frame: Frame) => number) | null }} Info
 */

/**
 * A frame as it was: those of a thread are a list, innermost first. Never changed once made; `vars` without contents of their
 * own may be shared by any number of threads.
 * @typedef {{ readonly info: Info, readonly body: (frame: Frame) => number, readonly make: Function | null, readonly label: number, readonly vars: readonly unknown[],
 *   readonly tries: number[][] | null, readonly ops: [number, any][] | null, readonly parent: Saved | null }} Saved
 */

/** The label of a frame that begins by waiting: whoever delegates to it has yielded already. */
const PARKED = -1;

export class Frame {
  /**
   * @param {Info} info
   * @param {(frame: Frame) => number} body
   * @param {unknown[]} vars `this`, then the variables, where they are not captured by the body
   * @param {Function | null} make where they are: the function that makes such a frame
   */
  constructor(info, body, vars, make) {
    this.info = info;
    this.body = body;
    this.vars = vars;
    this.make = make;
    this.label = 0;
    /** 0 run, 1 copy captured variables out into `arg`, 2 copy them in. */
    this.io = 0;
    /** @type {any} */
    this.arg = undefined;
    /** @type {any} */
    this.sentValue = undefined;
    /** @type {Frame | null} */
    this.parent = null;
    /** The parent, where nobody has needed it since it was copied in. @type {Saved | null} */
    this.above = null;
    /** What this frame and those above are, since they were copied in or out and until one of them runs. @type {Saved | null} */
    this.saved = null;
    /** At the outermost frame of a chain: the innermost, or the one that runs. @type {Frame | null} */
    this.leaf = this;
    /** What few frames have. @type {Extra | null} */
    this.extra = null;
  }

  get isFrame() {
    return true;
  }

  get trys() {
    return (this.extra ??= new Extra()).tries;
  }

  [Symbol.iterator]() {
    return this;
  }

  /** @param {unknown} [value] */
  return(value) {
    this.leaf = null;
    return { value, done: true };
  }

  /** @param {unknown} [value] */
  next(value) {
    if (this.leaf === null) return { value: undefined, done: true };
    /** @type {Frame} */
    let frame = this.leaf;
    if (frame.label === PARKED) {
      frame.label = 1;
      return STEPPED;
    }
    frame.sentValue = value;
    for (;;) {
      this.leaf = frame;
      frame.saved = null;
      let op;
      try {
        op = frame.extra === null || frame.extra.delegate === null ? frame.body(frame) : onward(frame, value);
      } catch (error) {
        frame.arg = error;
        op = 6;
      }
      if (op === 5) {
        frame.label++;
        const child = frame.arg;
        frame.arg = undefined;
        if (typeof child !== 'object' || child === null) {
          // a primitive that had nothing to wait for: this is its result
          frame.sentValue = child;
        } else if (child.isFrame === true && child.label <= 0) {
          child.parent = frame;
          frame = child;
          if (frame.label === PARKED) {
            frame.label = 1;
            this.leaf = frame;
            return STEPPED;
          }
        } else (frame.extra ??= new Extra()).delegate = child[Symbol.iterator]();
        continue;
      }
      if (op === 4 || op === 9) {
        frame.label++;
        if (op === 9) return TURN;
        if (frame.arg === undefined) return STEPPED;
        const yielded = { value: frame.arg, done: false };
        frame.arg = undefined;
        return yielded;
      }
      if (op === 8) return { value: frame.arg, done: false };
      if (frame.extra !== null && within(frame, frame.extra, op)) continue;
      if (op === 3) {
        frame.label = frame.arg;
        continue;
      }
      // out of this frame: 2 with a result, 6 with an error
      const { arg } = frame;
      for (;;) {
        const parent = frame.parent ?? parentOf(frame);
        if (parent === null) {
          this.leaf = null;
          if (op === 6) throw arg;
          return { value: arg, done: true };
        }
        frame = parent;
        if (op === 2) {
          frame.sentValue = arg;
          break;
        }
        frame.arg = arg;
        if (frame.extra !== null && within(frame, frame.extra, 6)) break;
      }
    }
  }

  /**
   * A frame as it was when it was saved.
   * @param {Saved} saved @param {unknown[]} vars those of `saved`, for this frame alone
   */
  static revive({ info, body, make, label, tries, ops }, vars) {
    const frame = make === null ? new Frame(info, body, vars, null) : remade(make, info, vars);
    frame.label = label;
    if (tries !== null) for (const region of tries) frame.trys.push(region.slice());
    if (ops !== null) for (const [op, arg] of ops) frame.extra?.ops.push([op, arg]);
    return frame;
  }
}

/** The frame that waits for this one, where it was only known as it was saved. @param {Frame} frame */
function parentOf(frame) {
  const { above } = frame;
  if (above === null) return null;
  const parent = Frame.revive(above, above.vars.slice());
  parent.above = above.parent;
  return parent;
}

/** @param {Function} make @param {Info} info @param {readonly unknown[]} vars @returns {Frame} */
function remade(make, { nrParams }, vars) {
  const [self, ...own] = vars;
  const frame = make.apply(self, own.slice(0, nrParams));
  frame.arg = own;
  frame.io = 2;
  frame.body(frame);
  frame.io = 0;
  frame.arg = undefined;
  return frame;
}

/**
 * A function expression whose body is split off.
 * @template {Function} F @param {Info} info @param {F} make @param {(frame: Frame) => number} body @returns {F}
 */
export function split(info, make, body) {
  info.body = body;
  return make;
}

/** A frame that has come to its first yield, which is its first statement. @param {Frame} frame */
export function parked(frame) {
  frame.label = PARKED;
  return frame;
}

/** A step of something that is no frame. @param {Frame} frame @param {any} value @returns {number} */
function onward(frame, value) {
  const extra = /** @type {Extra} */ (frame.extra);
  const result = /** @type {Iterator<unknown>} */ (extra.delegate).next(value);
  frame.arg = result.value;
  if (result.done !== true) return 8;
  extra.delegate = null;
  frame.sentValue = result.value;
  frame.arg = undefined;
  return frame.body(frame);
}

/**
 * A jump, a return or a throw inside of a try statement: regions are [try, catch, finally, after].
 * @param {Frame} frame @param {Extra} extra @param {number} op @returns {boolean} whether the frame goes on
 */
function within(frame, { tries, ops }, op) {
  for (;;) {
    const region = tries.at(-1);
    if (op === 7) {
      const [kind, arg] = /** @type {[number, any]} */ (ops.pop());
      tries.pop();
      op = kind;
      frame.arg = arg;
      continue;
    }
    if (region === undefined) {
      if (op !== 3) return false;
      frame.label = frame.arg;
      return true;
    }
    const [start, onCatch, onFinally, after] = /** @type {[number, number | undefined, number | undefined, number]} */ (/** @type {unknown} */ (region));
    if (op === 3 && frame.arg > start && frame.arg < after) {
      frame.label = frame.arg;
      return true;
    }
    if (op === 6 && onCatch !== undefined && frame.label < onCatch) {
      frame.label = onCatch;
      frame.sentValue = frame.arg;
      frame.arg = undefined;
      return true;
    }
    if (onFinally !== undefined && frame.label < onFinally) {
      frame.label = onFinally;
      ops.push([op, frame.arg]);
      return true;
    }
    if (onFinally !== undefined) ops.pop();
    tries.pop();
  }
}

/** Where a `for of` over an array stands. */
export class ArrayCursor {
  /** @param {readonly unknown[]} array */
  constructor(array) {
    this.array = array;
    this.index = 0;
  }

  next() {
    const { array, index } = this;
    if (index >= array.length) return { value: undefined, done: true };
    this.index = index + 1;
    return { value: array[index], done: false };
  }
}

/** @param {any} iterable */
export function values(iterable) {
  return Array.isArray(iterable) ? new ArrayCursor(iterable) : iterable[Symbol.iterator]();
}

/**
 * A function made inside of a task sees variables of a frame: a copy of the frame would not be what it sees.
 * @template {Function} F @param {F} fn @returns {F}
 */
export function closure(fn) {
  Object.defineProperty(fn, 'seesFrame', { value: true });
  return fn;
}
