import type { BootedMachine, KernelImage, NewerCalls, Task } from '@mmun/include';

/** An image that may lack the newer system calls: a recording that holds one says so. */
export type ReplayImage<M extends BootedMachine> = KernelImage<M> & Partial<NewerCalls<M>>;

/** An image with a machine booted from it. */
export interface Driven<M extends BootedMachine> {
  readonly image: ReplayImage<M>;
  readonly machine: M;
}

/** Runs a task of the image to completion. */
export function run<M extends BootedMachine, R>(driven: Driven<M>, task: Task<string, R> | R): R {
  return driven.image.run(driven.machine, task);
}
