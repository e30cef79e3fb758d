// What tasks of the frames form run on: a task is a chain of frames, each a function, a label and the values of its local
// variables, so that a task can be looked at, compared and copied. Bundled into whatever holds such tasks.
//
// The functions are what the compiler's lowering of generators leaves, with small numbers for its instructions:
//   2 return arg   3 go to label arg   4 yield   5 delegate to arg   7 end of finally; 6 is a throw

/** The one value that tasks yield. */
const STEPPED = Object.freeze({ value: 'step', done: false });

/** Of frames inside of a try statement, and of those that delegate to something that is no frame. */
class Extra {
  /** @type {number[][]} */
  tries = [];
  /** @type {[number, any][]} */
  ops = [];
  /** @type {Iterator<unknown> | null} */
  delegate = null;
}

export class Frame {
  /**
   * @param {Function} make the function that makes such a frame
   * @param {unknown} self
   * @param {{ file: string, name: string, live: number[] | null, calls: number[], blocks: number[] }} info
   * @param {(frame: Frame) => number} body
   */
  constructor(make, self, info, body) {
    this.make = make;
    this.self = self;
    this.info = info;
    this.body = body;
    this.label = 0;
    /** 0 run, 1 copy the variables out into `arg`, 2 copy them in. */
    this.io = 0;
    /** @type {any} */
    this.arg = undefined;
    /** @type {any} */
    this.sentValue = undefined;
    /** @type {Frame | null} */
    this.parent = null;
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

  sent() {
    return this.sentValue;
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
    frame.sentValue = value;
    for (;;) {
      this.leaf = frame;
      let op;
      try {
        op = frame.extra === null || frame.extra.delegate === null ? frame.body.call(frame.self, frame) : onward(frame, value);
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
          continue;
        }
        if (child.isFrame === true && child.label === 0) {
          child.parent = frame;
          frame = child;
          frame.sentValue = undefined;
        } else (frame.extra ??= new Extra()).delegate = child[Symbol.iterator]();
        continue;
      }
      if (op === 4) {
        frame.label++;
        if (frame.arg === undefined) return STEPPED;
        const yielded = { value: frame.arg, done: false };
        frame.arg = undefined;
        return yielded;
      }
      if (op === 8) {
        return { value: frame.arg, done: false };
      }
      if (frame.extra !== null && within(frame, frame.extra, op)) continue;
      if (op === 3) {
        frame.label = frame.arg;
        continue;
      }
      // out of this frame: 2 with a result, 6 with an error
      const { arg, parent } = frame;
      if (frame === this) {
        this.leaf = null;
        if (op === 6) throw arg;
        return { value: arg, done: true };
      }
      frame = /** @type {Frame} */ (parent);
      if (op === 2) {
        frame.sentValue = arg;
        continue;
      }
      while (op === 6) {
        frame.arg = arg;
        if (frame.extra !== null && within(frame, frame.extra, 6)) break;
        if (frame === this) {
          this.leaf = null;
          throw arg;
        }
        frame = /** @type {Frame} */ (frame.parent);
      }
    }
  }
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
  return frame.body.call(frame.self, frame);
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
