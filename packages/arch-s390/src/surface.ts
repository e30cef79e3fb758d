// No kernel original: C finds out at link time what an arch lacks.
/** The whole contract of an arch, with its types; and nothing that code written for another arch, or for another size of tables, would miss. */
import type { AsmPgtable } from '@mmun/include';
import type { ArchMachine } from '@mmun/arch-generic';

type Conforms<A extends B, B> = A;
export type S390Conforms = Conforms<typeof import('./index.js'), AsmPgtable<ArchMachine>>;
export type PgtablesConform = Conforms<typeof import('./pgtable-256.js'), typeof import('./pgtable-512.js')>;
