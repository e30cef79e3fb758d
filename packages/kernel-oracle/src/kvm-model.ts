/** The model as the other side of KVM: plugin-kvm over the same slot, with the same pages of it in the shadow page table. */
import { PAGE_SIZE } from '@mmun/include';
import type { BootedMachine, File, Inode, KernelImage, Mm, SecondaryDriver, SecondaryImage, SecondaryMmu, TaskStruct, Vaddr } from '@mmun/include';
import { KVM_ARENA, KVM_PAGES, fresh } from './kvm-kinds.js';
import type { Backing } from './kvm-kinds.js';
import type { Trial } from './kvm-trial.js';
import type { Operation } from './operation.js';

/** An image of design `range`, whose machines take a secondary MMU. */
export type KvmImage<M extends BootedMachine> = KernelImage<M> & SecondaryImage<M> & {
  userWrite(m: M, address: Vaddr, word: number): unknown;
  boot(config: M['bootConfig'], plugins?: readonly SecondaryMmu[]): M;
};

const CAPACITIES = {
  nrCpus: 1, nrTasks: 8, nrMms: 4, nrVmas: 256, nrAnonVmas: 128, nrAnonVmaChains: 256, nrFrames: 4 * KVM_PAGES, nrTables: 128, nrInodes: 16, nrFiles: 16, nrNotifiers: 4,
  pageContentWords: 1, tlbEntries: 0,
};

export class KvmModel<M extends BootedMachine> {
  readonly #image: KvmImage<M>;
  readonly #machine: M;
  readonly #file: File;
  readonly #inode: Inode;
  readonly #leader: TaskStruct;
  readonly #guest: SecondaryDriver;
  readonly #instance: number;
  /** The machine with the slot mapped and nothing of it in the shadow page table, by what backs it. */
  readonly #fresh: Readonly<Record<Backing, Uint8Array>>;

  constructor(image: KvmImage<M>, kvm: SecondaryMmu) {
    const m = image.boot({ ...image.defaultConfig, ...CAPACITIES, settings: { ...image.defaultConfig.settings, transparentHugepage: 'never' } }, [kvm]);
    this.#image = image;
    this.#machine = m;
    this.#leader = image.newProcess(m);
    image.setCurrent(m, this.#leader);
    this.#inode = image.newInode(m, { path: '/memfd:guest (deleted)', kind: 'shmem', major: 0, minor: 1, ino: 1, size: 0, thpAligned: false });
    this.#file = image.filpOpen(m, this.#inode, { isReadable: true, isWritable: true });
    this.#guest = image.attachSecondaryMmu(m, kvm);
    this.#instance = image.run(m, this.#guest.create(this.#mm()));
    const before = new Uint8Array(m.buffer).slice();
    const mapped = (backing: Backing): Uint8Array => {
      new Uint8Array(m.buffer).set(before);
      for (const operation of fresh(backing)) this.#apply(operation);
      return new Uint8Array(m.buffer).slice();
    };
    this.#fresh = { anonymous: mapped('anonymous'), memfd: mapped('memfd') };
  }

  /** @returns for each page of the slot: 1 where the guest had an entry that is gone */
  dropped({ kind, operations, sample }: Pick<Trial, 'kind' | 'operations' | 'sample'>): Uint8Array {
    const image = this.#image;
    const m = this.#machine;
    new Uint8Array(m.buffer).set(this.#fresh[kind.backing]);
    image.setCurrent(m, this.#leader);
    const gone = new Uint8Array(KVM_PAGES);
    for (const page of sample) {
      image.run(m, this.#guest.fault(this.#instance, (KVM_ARENA + page * PAGE_SIZE) as Vaddr, true));
      gone[page] = 1;
    }
    for (const operation of operations) this.#apply(operation);
    for (const { driver } of image.attachedSecondaries(m)) {
      driver.audit((_instance, _mm, address) => {
        const page = (address - KVM_ARENA) / PAGE_SIZE;
        if (page >= 0 && page < KVM_PAGES) gone[page] = 0;
      });
    }
    return gone;
  }

  #mm(): Mm {
    return this.#image.mmOf(this.#machine, this.#leader);
  }

  #apply({ name, args }: Operation): void {
    const image = this.#image;
    const m = this.#machine;
    const addr = args[0] as Vaddr;
    switch (name) {
      case 'mmap': image.run(m, image.sysMmap(m, addr, args[1], args[2], args[3], args[4] === 0 ? (0 as File) : this.#file, args[5])); break;
      case 'munmap': image.run(m, image.sysMunmap(m, addr, args[1])); break;
      case 'mprotect': image.run(m, image.sysMprotect(m, addr, args[1], args[2])); break;
      case 'mremap': image.run(m, image.sysMremap(m, addr, args[1], args[2], args[3], args[4] as Vaddr)); break;
      case 'madvise': image.run(m, image.sysMadvise(m, addr, args[1], args[2])); break;
      case 'mlock': image.run(m, image.sysMlock(m, addr, args[1])); break;
      case 'mlock2': image.run(m, image.sysMlock2(m, addr, args[1], args[2])); break;
      case 'munlock': image.run(m, image.sysMunlock(m, addr, args[1])); break;
      case 'msync': image.run(m, image.sysMsync(m, addr, args[1], args[2])); break;
      case 'ftruncate': image.run(m, image.truncateSetsize(m, this.#inode, args[1])); break;
      case 'write': image.run(m, image.userWrite(m, addr, args[1]) as number); break;
      case 'fork': image.setCurrent(m, image.run(m, image.sysClone(m, 0)) as TaskStruct); break;
      case 'exit':
        image.run(m, image.sysExit(m));
        image.setCurrent(m, this.#leader);
        break;
      default: throw new RangeError(`no kind makes ${name}`);
    }
  }
}
