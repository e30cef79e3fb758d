// No kernel original: C finds out at link time what an arch lacks.
/** The whole contract of an arch, with its types; and nothing that code written for another arch would miss. */
import type { AsmPgtable } from '@mmun/include';
import type { ArchMachine } from '@mmun/arch-generic';

type Conforms<A extends B, B> = A;
export type S390Conforms = Conforms<typeof import('./index.js'), AsmPgtable<ArchMachine>>;
