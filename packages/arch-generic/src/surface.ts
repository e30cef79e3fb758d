// No kernel original: in C the preprocessor proves it, one config at a time.
/** Linked alone, the inherited operations are an arch like any other: all of the contract, with its types. */
import type { AsmPgtable } from '@mmun/include';
import type { ArchMachine } from './arch-machine.js';

type Conforms<A extends B, B> = A;
export type GenericConforms = Conforms<typeof import('./index.js'), AsmPgtable<ArchMachine>>;
