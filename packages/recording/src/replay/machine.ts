import type { BootedMachine, KernelImage, Task } from '@mmun/include';

/** An image with a machine booted from it. */
export interface Driven<M extends BootedMachine> {
  readonly image: KernelImage<M>;
  readonly machine: M;
}

/** Runs a task of the image to completion. */
export function run<M extends BootedMachine, R>(driven: Driven<M>, task: Task<string, R> | R): R {
  return driven.image.run(driven.machine, task);
}
