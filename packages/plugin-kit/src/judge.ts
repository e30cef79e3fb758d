/** What a secondary MMU must never do, judged on a machine at rest. */
import type { BootedMachine, Finding, KernelImage, Mm, Pfn, SecondaryImage, Vaddr } from '@mmun/include';

/** An image with secondary MMUs. */
export type DeviceImage<M extends BootedMachine> = KernelImage<M> & SecondaryImage<M>;

/** An entry, or the outcome of an access. */
export interface Reached {
  readonly plugin: string;
  readonly mm: Mm;
  readonly address: Vaddr;
  readonly pfn: Pfn;
  /** The device wrote, or its entry lets it write. */
  readonly isWrite: boolean;
}

/**
 * Compares what a device reached with what the primary page table says now.
 * @returns null where they agree
 */
export function judge<M extends BootedMachine>(image: SecondaryImage<NoInfer<M>>, m: M, reached: Reached): Finding | null {
  const { plugin, mm, address, pfn, isWrite } = reached;
  const place = `${plugin} reaches frame ${pfn} at \`0x${address.toString(16)}\` of mm ${mm}`;
  if (!image.isFrameLive(m, pfn)) return finding('stale-translation', `${place}, and the frame is free: a change of the pte was not reported, or the entry was made after the report`);
  const primary = image.primaryTranslation(m, mm, address);
  const primaryPfn = Math.floor(primary / 2);
  if (primary === 0) return finding('stale-translation', `${place}, where the process has no page any more: the entry outlived its pte`);
  if (primaryPfn !== pfn) return finding('incoherent', `${place}, and the process reaches frame ${primaryPfn}: each sees what the other does not`);
  if (isWrite && primary % 2 === 0) return finding('excess-permission', `${place} for writing, and the pte allows only reading`);
  return null;
}

/** Every live entry of every attached plugin must be what its pte is. For a machine at rest: no task is under way. */
export function auditSecondary<M extends BootedMachine>(image: SecondaryImage<NoInfer<M>>, m: M): Finding[] {
  const findings: Finding[] = [];
  for (const { name, driver } of image.attachedSecondaries(m)) {
    driver.audit((_instance, mm, address, pfn, isWritable) => {
      const found = judge(image, m, { plugin: name, mm, address, pfn, isWrite: isWritable });
      if (found !== null) findings.push(found);
    });
  }
  return findings;
}

function finding(code: string, message: string): Finding {
  return { code, message, replay: '', steps: [] };
}
