/** The part of all events that is in sight, shared by everything that is drawn over them. */
export interface Axis {
  /** First and last event in sight, as fractions of events too. */
  readonly from: number;
  readonly to: number;
}

const FEWEST = 8;

export function wholeAxis(nrEvents: number): Axis {
  return { from: 0, to: Math.max(1, nrEvents) };
}

/** @param factor below 1 looks closer @param at event that stays where it is */
export function zoomed({ from, to }: Axis, factor: number, at: number, nrEvents: number): Axis {
  const span = Math.min(Math.max((to - from) * factor, FEWEST), Math.max(nrEvents, FEWEST));
  const start = at - ((at - from) / (to - from)) * span;
  return held(start, span, nrEvents);
}

export function moved({ from, to }: Axis, by: number, nrEvents: number): Axis {
  return held(from + by, to - from, nrEvents);
}

/** Moves as little as brings the event into sight. */
export function showing(axis: Axis, event: number, nrEvents: number): Axis {
  const span = axis.to - axis.from;
  if (event >= axis.from && event < axis.to) return axis;
  return held(event - span / 2, span, nrEvents);
}

function held(from: number, span: number, nrEvents: number): Axis {
  const start = Math.max(0, Math.min(from, nrEvents - span));
  return { from: start, to: start + span };
}
