/**
 * Devices that touch the memory of running programs.
 *
 * While a program runs, or a recording of one is replayed, every address space gets
 * an instance of each attached plugin, and the devices read and write where the
 * program has been, where they have been themselves (also after the program left),
 * and elsewhere in the program's VMAs. A miss is answered with a fault and a second
 * access. What each access reached is judged at once; `findings` must stay empty.
 *
 * By default a device writes only where the program could write without a fault, so
 * that the program's memory is what it would be without the device.
 */
import { EFAULT, PAGE_SIZE, VM_WRITE } from '@mmun/include';
import type { AttachedSecondary, BootedMachine, Finding, MappedArea, Mm, SecondaryDriver, SecondaryMmu, TaskStruct, Vaddr } from '@mmun/include';
import { AddressBook } from './address-book.js';
import { auditSecondary, judge } from './judge.js';
import type { DeviceImage } from './judge.js';
import { Random } from './random.js';

export interface DeviceTrafficOptions {
  readonly plugins: readonly SecondaryMmu[];
  /** Accesses per event, on average; may be a fraction. */
  readonly rate: number;
  readonly seed?: number;
  /** Instances of each plugin that follow one address space, such as several virtual machines; left out: 1. */
  readonly instances?: number;
  /** Where a device writes: only to pages that the process can write to now, or wherever the VMA allows it. */
  readonly writes?: 'writable pages' | 'writable areas';
}

/** A page fault of the program, if that was the event. */
export interface TrafficFault {
  readonly address: Vaddr;
}

/** What the traffic came to, per plugin. */
export interface TrafficReport {
  readonly plugin: string;
  readonly faults: number;
  readonly accesses: number;
  readonly hits: number;
  readonly invalidations: number;
  readonly pins: number;
}

/** Addresses of one process, and the instances that follow it. */
interface Follower {
  readonly visited: AddressBook;
  readonly mapped: AddressBook;
  /** By plugin, in the order of attaching; 0 where there was no room. Each access is that of the next one. */
  readonly instances: readonly (readonly number[])[];
}

/** Findings that are kept; more of the same say no more. */
const MAX_FINDINGS = 50;
/** Misses of one access before the device gives up for this time. */
const MAX_TRIES = 4;
/** Events between two looks for processes that have ended. */
const SWEEP_EVENTS = 64;

export class DeviceTraffic<M extends BootedMachine> {
  readonly findings: Finding[] = [];
  /** Accesses that the process itself could not have made either. */
  refused = 0;
  /** Accesses that found no room for an entry, and processes that found none for an instance. */
  full = 0;
  /**
   * Entries left at the end that allow a write which their pte forbids, and that no access used. Held against the plugin
   * only where devices write wherever the VMA allows it: v5 leaves such entries behind at every fork.
   */
  latent = 0;

  readonly #image: DeviceImage<M>;
  readonly #m: M;
  readonly #options: DeviceTrafficOptions;
  readonly #random: Random;
  readonly #followers: Map<Mm, Follower> = new Map();
  #credit = 0;
  #events = 0;
  #turn = 0;

  /** Attaches the plugins to a machine that was booted with them. */
  constructor(image: DeviceImage<NoInfer<M>>, m: M, options: DeviceTrafficOptions) {
    this.#image = image;
    this.#m = m;
    this.#options = options;
    this.#random = new Random(options.seed ?? 1);
    for (const plugin of options.plugins) image.attachSecondaryMmu(m, plugin);
  }

  /** Something happened in the process of `task`; the devices get their turn. */
  afterEvent(task: TaskStruct, fault: TrafficFault | null): void {
    this.#events++;
    if (this.#events % SWEEP_EVENTS === 0) this.#sweep();
    const mm = task === 0 ? (0 as Mm) : this.#image.mmOf(this.#m, task);
    if (mm === 0) return;
    const follower = this.#follow(mm);
    if (fault !== null) follower.visited.add(fault.address);
    for (this.#credit += this.#options.rate; this.#credit >= 1; this.#credit--) this.#accessByAll(mm, follower);
  }

  /** The end of the run: audits every entry, then closes every instance. */
  finish(): void {
    for (const found of auditSecondary(this.#image, this.#m)) {
      if (found.code === 'excess-permission' && this.#options.writes !== 'writable areas') this.latent++;
      else this.#keep(found);
    }
    for (const mm of this.#followers.keys()) this.#unfollow(mm);
  }

  report(): TrafficReport[] {
    return this.#attached().map(({ name, driver }) => ({ plugin: name, ...driver.counters() }));
  }

  #follow(mm: Mm): Follower {
    const known = this.#followers.get(mm);
    if (known !== undefined) return known;
    const instances = this.#attached().map(({ driver }) => Array.from({ length: this.#options.instances ?? 1 }, () => {
      const instance = this.#image.run(this.#m, driver.create(mm));
      if (instance <= 0) this.full++;
      return Math.max(instance, 0);
    }));
    const follower = { visited: new AddressBook(), mapped: new AddressBook(), instances };
    this.#followers.set(mm, follower);
    return follower;
  }

  #unfollow(mm: Mm): void {
    const instances = this.#followers.get(mm)?.instances ?? [];
    this.#attached().forEach(({ driver }, i) => {
      for (const instance of instances[i] ?? []) if (instance !== 0) this.#image.run(this.#m, driver.destroy(instance));
    });
    this.#followers.delete(mm);
  }

  /** The instance pins the mm struct, so that `mm` is still the one it was. */
  #sweep(): void {
    for (const mm of this.#followers.keys()) if (!this.#image.isMmAlive(this.#m, mm)) this.#unfollow(mm);
  }

  #accessByAll(mm: Mm, follower: Follower): void {
    const address = this.#chooseAddress(mm, follower);
    const isWrite = this.#chooseWrite(mm, address);
    this.#turn++;
    this.#attached().forEach(({ name, driver }, i) => {
      const own = follower.instances[i] ?? [];
      const instance = own[this.#turn % own.length] ?? 0;
      if (instance !== 0 && this.#access(driver, { instance, plugin: name, mm, address, isWrite })) follower.mapped.add(address);
    });
  }

  /** @returns whether the device reached a frame */
  #access(driver: SecondaryDriver, at: { instance: number; plugin: string; mm: Mm; address: Vaddr; isWrite: boolean }): boolean {
    const { instance, address, isWrite } = at;
    for (let tries = 0; tries < MAX_TRIES; tries++) {
      const pfn = this.#image.run(this.#m, driver.access(instance, address, isWrite));
      if (pfn !== 0) {
        this.#keep(judge(this.#image, this.#m, { ...at, pfn }));
        return true;
      }
      const error = this.#image.run(this.#m, driver.fault(instance, address, isWrite));
      if (error === 0) continue;
      if (error === -EFAULT) this.refused++;
      else this.full++;
      return false;
    }
    return false;
  }

  #chooseAddress(mm: Mm, { visited, mapped }: Follower): Vaddr {
    const kind = this.#random.next();
    const known = (kind < 0.4 ? mapped : visited).pick(this.#random);
    if (kind < 0.8 && known !== 0) return this.#within(known);
    const area = this.#chooseArea(mm, known);
    return area === null ? known : this.#within((area.start + this.#random.below((area.end - area.start) / PAGE_SIZE) * PAGE_SIZE) as Vaddr);
  }

  /** A VMA near `address`, or a few further on. */
  #chooseArea(mm: Mm, address: Vaddr): MappedArea | null {
    let area = this.#image.vmaAfter(this.#m, mm, address);
    for (let hops = this.#random.below(8); hops > 0 && area !== null; hops--) area = this.#image.vmaAfter(this.#m, mm, area.end) ?? area;
    return area;
  }

  /** A word of the page that holds `address`. */
  #within(address: Vaddr): Vaddr {
    return (Math.floor(address / PAGE_SIZE) * PAGE_SIZE + this.#random.below(PAGE_SIZE / 4) * 4) as Vaddr;
  }

  #chooseWrite(mm: Mm, address: Vaddr): boolean {
    const wants = this.#random.chance(0.5);
    const area = this.#image.vmaAfter(this.#m, mm, address);
    if (area === null || area.start > address || (area.vmFlags & VM_WRITE) === 0) return false;
    return wants && (this.#options.writes === 'writable areas' || this.#image.primaryTranslation(this.#m, mm, address) % 2 === 1);
  }

  #attached(): readonly AttachedSecondary[] {
    return this.#image.attachedSecondaries(this.#m);
  }

  #keep(found: Finding | null): void {
    if (found !== null && this.findings.length < MAX_FINDINGS) this.findings.push(found);
  }
}
