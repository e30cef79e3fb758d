/** The images that this build holds. A variant is a row of tools/build/src/variants.mjs and a row here. */
import type { ImageConfig, KernelImage, MachineConfig, SecondaryImage, SecondaryMmu } from '@mmun/include';
import { UsageError } from '../usage-error.js';

export const ARCHS = ['x86', 's390', 's390-256', 'generic'] as const;
export const DESIGNS = ['v5', 'range', 'off'] as const;
export const BUILDS = ['checked', 'fast'] as const;

export type Machine = ReturnType<typeof import('@mmun/image/x86').boot>;

/** An image that secondary MMUs can be attached to. */
export type ReplayImage = KernelImage<Machine> & SecondaryImage<Machine> & Pick<typeof import('@mmun/image/x86'), 'userRead' | 'userWrite'> & {
  boot(config: MachineConfig, plugins?: readonly SecondaryMmu[]): Machine;
};

interface ImageRow {
  readonly arch: (typeof ARCHS)[number];
  readonly design: (typeof DESIGNS)[number];
  readonly build: (typeof BUILDS)[number];
  load(): Promise<ReplayImage>;
}

/** One type stands for all: images have one surface. */
const IMAGES: readonly ImageRow[] = [
  { arch: 'x86', design: 'v5', build: 'checked', load: async () => await import('@mmun/image/x86') },
  { arch: 'x86', design: 'range', build: 'checked', load: async () => await import('@mmun/image/x86-range') as unknown as ReplayImage },
  { arch: 'x86', design: 'off', build: 'checked', load: async () => await import('@mmun/image/x86-off') },
  { arch: 's390', design: 'v5', build: 'checked', load: async () => await import('@mmun/image/s390') as unknown as ReplayImage },
  { arch: 's390-256', design: 'v5', build: 'checked', load: async () => await import('@mmun/image/s390-256') as unknown as ReplayImage },
  { arch: 's390', design: 'range', build: 'checked', load: async () => await import('@mmun/image/s390-range') as unknown as ReplayImage },
  { arch: 's390-256', design: 'range', build: 'checked', load: async () => await import('@mmun/image/s390-256-range') as unknown as ReplayImage },
  { arch: 's390', design: 'off', build: 'checked', load: async () => await import('@mmun/image/s390-off') as unknown as ReplayImage },
  { arch: 's390-256', design: 'off', build: 'checked', load: async () => await import('@mmun/image/s390-256-off') as unknown as ReplayImage },
  { arch: 'generic', design: 'v5', build: 'checked', load: async () => await import('@mmun/image/generic') as unknown as ReplayImage },
  { arch: 'generic', design: 'range', build: 'checked', load: async () => await import('@mmun/image/generic-range') as unknown as ReplayImage },
  { arch: 'generic', design: 'off', build: 'checked', load: async () => await import('@mmun/image/generic-off') as unknown as ReplayImage },
  { arch: 'x86', design: 'v5', build: 'fast', load: async () => await import('@mmun/image/x86-fast') },
  { arch: 'x86', design: 'range', build: 'fast', load: async () => await import('@mmun/image/x86-range-fast') as unknown as ReplayImage },
  { arch: 'x86', design: 'off', build: 'fast', load: async () => await import('@mmun/image/x86-off-fast') },
  { arch: 's390', design: 'v5', build: 'fast', load: async () => await import('@mmun/image/s390-fast') as unknown as ReplayImage },
  { arch: 's390-256', design: 'v5', build: 'fast', load: async () => await import('@mmun/image/s390-256-fast') as unknown as ReplayImage },
  { arch: 's390', design: 'range', build: 'fast', load: async () => await import('@mmun/image/s390-range-fast') as unknown as ReplayImage },
  { arch: 's390-256', design: 'range', build: 'fast', load: async () => await import('@mmun/image/s390-256-range-fast') as unknown as ReplayImage },
  { arch: 's390', design: 'off', build: 'fast', load: async () => await import('@mmun/image/s390-off-fast') as unknown as ReplayImage },
  { arch: 's390-256', design: 'off', build: 'fast', load: async () => await import('@mmun/image/s390-256-off-fast') as unknown as ReplayImage },
  { arch: 'generic', design: 'v5', build: 'fast', load: async () => await import('@mmun/image/generic-fast') as unknown as ReplayImage },
  { arch: 'generic', design: 'range', build: 'fast', load: async () => await import('@mmun/image/generic-range-fast') as unknown as ReplayImage },
  { arch: 'generic', design: 'off', build: 'fast', load: async () => await import('@mmun/image/generic-off-fast') as unknown as ReplayImage },
];

/** @throws UsageError where this build holds no such image, or one that is not what its name says */
export async function loadImage(wanted: Omit<ImageConfig, 'arch'> & { readonly arch: string }): Promise<ReplayImage> {
  const row = IMAGES.find(({ arch, design, build }) => arch === wanted.arch && design === wanted.design && build === wanted.build);
  if (row === undefined) {
    throw new UsageError(`no image for --arch ${wanted.arch} --design ${wanted.design} --build ${wanted.build} yet: there are ${imageNames().join(', ')}`);
  }
  const image = await load(row);
  const { arch, design, build } = image.config;
  if (arch !== row.arch || design !== row.design || build !== row.build) {
    throw new UsageError(`the image for ${title(row)} says that it is ${title(image.config)}: run \`npm run build\``);
  }
  return image;
}

async function load(row: ImageRow): Promise<ReplayImage> {
  try {
    return await row.load();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ERR_MODULE_NOT_FOUND') {
      throw new UsageError(`the image for ${title(row)} is not built: run \`npm run build\``);
    }
    throw error;
  }
}

/** `x86 v5`, `x86 off` ...: each comes checked and fast. */
export function imageNames(): string[] {
  return [...new Set(IMAGES.map(({ arch, design }) => `${arch} ${design}`))];
}

export function title({ arch, design, build }: { arch: string; design: string; build: string }): string {
  return `${arch} ${design} ${build}`;
}
