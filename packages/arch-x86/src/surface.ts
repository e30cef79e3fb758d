// No kernel original: in C the preprocessor proves it, one config at a time.
/** The whole contract of an arch, with its types; and nothing that code written for another arch would miss. */
import type { AsmPgtable } from '@mmun/include';
import type { ArchMachine } from '@mmun/arch-generic';

type Conforms<A extends B, B> = A;
export type X86Conforms = Conforms<typeof import('./index.js'), AsmPgtable<ArchMachine>>;
