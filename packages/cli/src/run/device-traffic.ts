/** Secondary MMUs attached to a replay: the image with their tables, the device's accesses, the audit. */
import type { Finding } from '@mmun/include';
import type { ReplayOptions } from '@mmun/recording';
import type { Machine, ReplayImage } from './images.js';
import type { RunRequest } from './run-recordings.js';
import type { SecondaryReport } from './run-report.js';

export interface TrafficHooks {
  /** The image whose machines hold the plugins' tables. */
  readonly image: ReplayImage;
  readonly hooks: Pick<ReplayOptions<Machine>, 'onBoot' | 'afterEvent' | 'onFinish'>;
  findings(): readonly Finding[];
  secondary(): readonly SecondaryReport[];
}

export function attachTraffic({ image, plugins }: RunRequest): TrafficHooks {
  if (plugins.length === 0) return { image, hooks: {}, findings: () => [], secondary: () => [] };
  const drivers: { name: string; counters(): { faults: number; accesses: number; invalidations: number } }[] = [];
  return {
    image: { ...image, boot: (config) => image.boot(config, plugins) },
    hooks: {
      onBoot: (_image, machine) => {
        for (const plugin of plugins) {
          const driver = image.attachSecondaryMmu(machine, plugin);
          drivers.push({ name: plugin.name, counters: () => driver.counters() });
        }
      },
    },
    findings: () => [],
    secondary: () => drivers.map(({ name, counters }) => ({ plugin: name, ...counters() })),
  };
}
