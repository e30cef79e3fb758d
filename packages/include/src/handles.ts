/**
 * The numbers of the model, told apart by brands that exist in types only.
 *
 * A *handle* is an index into a table of the machine's buffer, 0 is NULL and
 * never valid. A *slot* (the names that end in `p`) is the place of a table
 * entry, a *value* is what stands there. The compiler refuses to mix them.
 */
declare const brand: unique symbol;
type Brand<B extends string> = number & { readonly [brand]: B };

/** Virtual address in bytes, an exact double, 0 up to TASK_SIZE. */
export type Vaddr = Brand<'Vaddr'>;
/** Page frame number. Frame 0 does not exist. */
export type Pfn = Brand<'Pfn'>;
/** Word index into the machine's buffer: what scheduling points and locks are about. */
export type Where = Brand<'Where'>;

/** Slot of a pte: 512 * table + index on x86. */
export type Ptep = Brand<'Ptep'>;
export type Pmdp = Brand<'Pmdp'>;
export type Pudp = Brand<'Pudp'>;
export type Pgdp = Brand<'Pgdp'>;

/** A table of ptes: PGTABLES_PER_PAGE * frame + its place in the page. Where a table is a page, the frame. pgtable_t */
export type Pgtable = Brand<'Pgtable'>;

/**
 * Value of a pte. The 64 bits of the hardware entry, exact in a double: bits 0 to
 * 51 stand where the hardware has them, bit 52 holds the hardware's bit 63 (NX on
 * x86). `value & flag` tests a flag among the low 32 bits as in C.
 */
export type Pte = Brand<'Pte'>;
export type Pmd = Brand<'Pmd'>;
export type Pud = Brand<'Pud'>;
export type Pgd = Brand<'Pgd'>;
/** Protection bits of a pte, without a frame. Same encoding as Pte. */
export type Pgprot = Brand<'Pgprot'>;

/** struct mm_struct. */
export type Mm = Brand<'Mm'>;
/** struct vm_area_struct. */
export type Vma = Brand<'Vma'>;
/** struct anon_vma. */
export type AnonVma = Brand<'AnonVma'>;
/** struct anon_vma_chain. */
export type AnonVmaChain = Brand<'AnonVmaChain'>;
/** struct file: an inode opened with a mode. */
export type File = Brand<'File'>;
/** struct inode, with its address_space. */
export type Inode = Brand<'Inode'>;
/** struct task_struct: a thread. */
export type TaskStruct = Brand<'TaskStruct'>;
/** struct mmu_notifier. */
export type MmuNotifier = Brand<'MmuNotifier'>;

/** Locks are words of the buffer. */
export type Spinlock = Where & { readonly [brand]: 'Spinlock' };
export type Mutex = Where & { readonly [brand]: 'Mutex' };
export type Rwsem = Where & { readonly [brand]: 'Rwsem' };
export type Refcount = Where & { readonly [brand]: 'Refcount' };
export type Seqcount = Where & { readonly [brand]: 'Seqcount' };
