/** Secondary MMUs attached to a replay: the image with their tables, the devices' accesses, what was found. */
import type { Finding, Vaddr } from '@mmun/include';
import { DeviceTraffic } from '@mmun/plugin-kit';
import { foldAddress } from '@mmun/recording';
import type { ReplayOptions } from '@mmun/recording';
import { RunLog } from '../report/run-log.js';
import type { Machine, ReplayImage } from './images.js';
import type { RunRequest } from './run-recordings.js';
import type { SecondaryReport } from './run-report.js';

/** The hooks of one replay, and what they saw. */
export interface TrafficHooks {
  /** The image whose machines hold the plugins' tables. */
  readonly image: ReplayImage;
  readonly hooks: Pick<ReplayOptions<Machine>, 'onBoot' | 'afterEvent' | 'onFinish'>;
  findings(): readonly Finding[];
  secondary(): readonly SecondaryReport[];
  /** Where one was asked for. */
  readonly log: RunLog | null;
}

/** In a checked image the machine's own books are audited too, with and without a plugin. */
export function attachTraffic({ image, plugins: given, deviceRate, seed, log: wanted }: Omit<RunRequest, 'sources'>): TrafficHooks {
  const log = wanted === undefined ? null : new RunLog(given, wanted === 'events and vmas');
  const plugins = log === null ? given : log.watch(given);
  const inconsistent: Finding[] = [];
  const audit = (machine: Machine): void => {
    if (image.config.build === 'checked') inconsistent.push(...image.checkMachine(machine));
  };
  if (plugins.length === 0) {
    return {
      image, log, findings: () => inconsistent, secondary: () => [],
      hooks: {
        afterEvent: (replayed) => log?.afterEvent(image, replayed.machine, replayed),
        onFinish: (_, machine) => {
          log?.finish();
          audit(machine);
        },
      },
    };
  }
  let traffic: DeviceTraffic<Machine> | null = null;
  return {
    log,
    image: { ...image, boot: (config) => image.boot(config, plugins) },
    hooks: {
      onBoot: (_, machine) => void (traffic = new DeviceTraffic(image, machine, { plugins, rate: deviceRate, seed })),
      afterEvent: ({ machine, task, effect }) => {
        traffic?.afterEvent(task, effect.kind === 'fault' ? { address: foldAddress(image, effect.address) as Vaddr } : null);
        log?.afterEvent(image, machine, { task, effect });
      },
      onFinish: (_, machine) => {
        traffic?.finish();
        log?.finish();
        audit(machine);
      },
    },
    findings: () => [...(traffic?.findings ?? []), ...inconsistent],
    secondary: () => traffic?.report() ?? [],
  };
}
