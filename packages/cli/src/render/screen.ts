import type { Paint } from '../terminal.js';

/** What rendering has to know of where it is seen. */
export interface Screen {
  readonly paint: Paint;
  readonly width: number;
}
