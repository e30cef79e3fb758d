/** How large the space of schedules is, before a long search (Knuth 1975): random runs, each weighed by the branches it passed. */
import { STOP } from './execution.js';
import type { Driver, Execution } from './execution.js';
import { Rng } from './rng.js';

export interface Estimate {
  /** Complete schedules, dependent or not; the true number is usually within a few powers of ten. */
  readonly schedules: number;
  /** Steps of one schedule, on average. */
  readonly steps: number;
  readonly probes: number;
}

class Probe implements Driver {
  weight = 1;
  private readonly rng: Rng;
  private readonly maxSteps: number;

  constructor(rng: Rng, maxSteps: number) {
    this.rng = rng;
    this.maxSteps = maxSteps;
  }

  pick(x: Execution): number {
    const begins = x.nextToStart();
    if (begins !== STOP) return begins;
    const enabled: number[] = [];
    for (let t = 0; t < x.nrThreads; t++) if (x.isEnabled(t)) enabled.push(t);
    if (enabled.length === 0 || x.steps >= this.maxSteps || x.findings.length > 0) return STOP;
    this.weight *= enabled.length;
    return enabled[this.rng.below(enabled.length)] as number;
  }

  choose(_x: Execution, nrOptions: number): number {
    this.weight *= nrOptions;
    return this.rng.below(nrOptions);
  }
}

export function estimate(x: Execution, seed: number, maxSteps: number, probes = 200): Estimate {
  const rng = new Rng(seed);
  let schedules = 0;
  let steps = 0;
  for (let i = 0; i < probes; i++) {
    const probe = new Probe(rng, maxSteps);
    x.run(probe);
    schedules += probe.weight / probes;
    steps += x.steps / probes;
  }
  return { schedules, steps, probes };
}
