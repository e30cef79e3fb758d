/** Addresses worth trying again: the newest few of a kind, oldest dropped. */
import type { Vaddr } from '@mmun/include';
import type { Random } from './random.js';

const CAPACITY = 128;

export class AddressBook {
  readonly #addresses: Vaddr[] = [];
  #next = 0;

  add(address: Vaddr): void {
    if (this.#addresses.length < CAPACITY) this.#addresses.push(address);
    else this.#addresses[this.#next] = address;
    this.#next = (this.#next + 1) % CAPACITY;
  }

  /** @returns one of them, or 0 where there is none */
  pick(random: Random): Vaddr {
    const { length } = this.#addresses;
    return length === 0 ? (0 as Vaddr) : (this.#addresses[random.below(length)] as Vaddr);
  }
}
