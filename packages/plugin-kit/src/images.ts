/** The toy images, as they are published: the same for a plugin of this repository and for one outside. */
import type { RaceImage } from '@mmun/races';
import type { DesignName } from './scenarios.js';

export async function toyImage(design: DesignName): Promise<RaceImage> {
  return (design === 'v5' ? await import('@mmun/image/toy') : await import('@mmun/image/toy-range')) as unknown as RaceImage;
}
