/** The secondary MMUs that this build holds, each in the form of the image that it is attached to. */
import type { ImageConfig, SecondaryMmu } from '@mmun/include';
import { didYouMean } from '../nearest.js';
import { UsageError } from '../usage-error.js';
import type { ReplayImage } from './images.js';

type Load = (build: ImageConfig['build']) => Promise<SecondaryMmu>;

const loadKvm = async (build: ImageConfig['build']): Promise<typeof import('@mmun/plugin-kvm')> =>
  (build === 'fast' ? await import('@mmun/plugin-kvm/fast') : await import('@mmun/plugin-kvm'));
const loadGru = async (build: ImageConfig['build']): Promise<typeof import('@mmun/plugin-gru')> =>
  (build === 'fast' ? await import('@mmun/plugin-gru/fast') : await import('@mmun/plugin-gru'));

/** A plugin that works in more than one way has a name for each: `kvm:pinned` beside `kvm`, which is its usual way. */
const PLUGINS: Readonly<Record<string, Load>> = {
  kvm: async (build) => (await loadKvm(build)).kvm,
  'kvm:pt-lock': async (build) => (await loadKvm(build)).kvmWith({ protocol: 'pt-lock' }),
  'kvm:retry': async (build) => (await loadKvm(build)).kvmWith({ protocol: 'retry' }),
  'kvm:pinned': async (build) => (await loadKvm(build)).kvmWith({ protocol: 'pinned' }),
  gru: async (build) => (await loadGru(build)).gru,
  'gru:polling': async (build) => (await loadGru(build)).gruWith({ mode: 'polling' }),
  xpmem: async (build) => (build === 'fast' ? await import('@mmun/plugin-xpmem/fast') : await import('@mmun/plugin-xpmem')).xpmem,
};

/** `kvm,gru` as names, each once. @throws UsageError where there is no such plugin */
export function parsePluginNames(text: string, previous: readonly string[]): string[] {
  const names = text.split(',').map((name) => name.trim());
  for (const name of names) {
    if (!Object.hasOwn(PLUGINS, name)) throw new UsageError(`--plugin ${text}: no secondary MMU is called ${JSON.stringify(name)}: there are ${Object.keys(PLUGINS).join(', ')}${didYouMean(name, Object.keys(PLUGINS))}`);
  }
  return [...new Set([...previous, ...names])];
}

/** @throws UsageError where the image's design is none that a plugin knows */
export async function loadPlugins(names: readonly string[], image: ReplayImage): Promise<SecondaryMmu[]> {
  const plugins = await Promise.all(names.map((name) => PLUGINS[name](image.config.build)));
  for (const plugin of plugins) {
    const refusal = image.secondaryMmuRefusal(plugin);
    if (refusal !== '') throw new UsageError(`--plugin ${plugin.name}: ${refusal.replace(/\s*\n\s*/g, ' ')}`);
  }
  return plugins;
}
