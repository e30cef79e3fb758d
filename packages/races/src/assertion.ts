/** What a race or a driver claims itself, where no oracle knows its rules. */
import type { Code } from '@mmun/oracle';
import { Violation } from '@mmun/oracle';

/**
 * Stops the execution with a finding unless `isTrue`. What it was computed from must have been read in the current step:
 * a `step()`, a lock, or an access stands before.
 */
export function kernelAssert(isTrue: boolean, code: Code, message: string): void {
  if (!isTrue) throw new Violation({ code, message });
}
