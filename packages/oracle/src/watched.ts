/** What an oracle looks at: a machine with its image's eyes, and nothing that belongs to mm alone. */
import type { BootedMachine, InspectedImage, KernelImage, SecondaryImage, SecondaryMachine } from '@mmun/include';
import type { ExplorableMachine } from '@mmun/explorer';
import type { LockingMachine } from '@mmun/locking';

export interface WatchedMachine extends BootedMachine, ExplorableMachine, SecondaryMachine {
  readonly layout: LockingMachine['layout'];
  readonly thread: LockingMachine['thread'];
}

export type WatchedImage<M extends WatchedMachine = WatchedMachine> = KernelImage<M> & SecondaryImage<M> & InspectedImage<M>;
