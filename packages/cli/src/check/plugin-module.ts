/** A module that holds a plugin: bundled as it is written, with maps, so that whatever is found names its lines. */
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { SecondaryMmu } from '@mmun/include';
import type { DeviceCall } from '@mmun/plugin-kit';
import { UsageError } from '../usage-error.js';
import { droppedTasks } from './dropped-tasks.js';
import type { DroppedTask } from './dropped-tasks.js';
import { shortPath } from './short-path.js';

export interface PluginModule {
  /** As the reader typed it. */
  readonly name: string;
  readonly plugin: SecondaryMmu;
  /** Its export `calls`: what only this driver can do. */
  readonly calls: readonly DeviceCall[];
  /** Tasks of its own that its sources call and never run. */
  readonly dropped: readonly DroppedTask[];
}

const MODULE = /\.[cm]?[jt]s$/;

/** By its text: a race says `defineRace` or `actors`, a plugin what a plugin is made of, or where it stands. */
export function looksLikePlugin(name: string): boolean {
  if (!MODULE.test(name) || !existsSync(name) || statSync(name).isDirectory()) return false;
  const text = readFileSync(name, 'utf8');
  return !/\bdefineRace\b|\bactors\b/.test(text) && /\bSecondaryMmu\b|\bdesigns\b|\battach\b|plugin|^export \{[^}]*\} from/m.test(text);
}

/** @throws UsageError in one line, with file and line where there is one */
export async function openPlugin(name: string): Promise<PluginModule> {
  const { build } = await import('esbuild');
  const folder = mkdtempSync(join(tmpdir(), 'mmun-plugin-'));
  const outfile = join(folder, 'plugin.mjs');
  try {
    const { metafile } = await build({
      entryPoints: [resolve(name)], outfile, bundle: true, format: 'esm', platform: 'node', target: 'node20', sourcemap: 'inline', logLevel: 'silent', metafile: true,
      conditions: ['@mmun/source'], nodePaths: createRequire(import.meta.url).resolve.paths('@mmun/include') ?? [],
    }).catch((error: unknown) => { throw new UsageError(buildError(name, error)); });
    const exports = await load(name, outfile);
    const own = Object.keys(metafile.inputs).filter((path) => !/node_modules|[\\/]?packages[\\/](?:include|lib)[\\/]/.test(path)).map((path) => resolve(path));
    return { name, plugin: pick(name, exports), calls: (exports['calls'] ?? []) as readonly DeviceCall[], dropped: await droppedTasks(own) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function load(name: string, outfile: string): Promise<Readonly<Record<string, unknown>>> {
  try {
    return (await import(pathToFileURL(outfile).href)) as Record<string, unknown>;
  } catch (error) {
    if (!(error instanceof Error)) throw new UsageError(`${name}: throws ${String(error)} when it is loaded`);
    const at = /\n\s*at .*?([^/\\\s(]+\.[cm]?[jt]s):(\d+):\d+/.exec(error.stack ?? '');
    throw new UsageError(`${at === null ? name : `${name}:${at[2]}`}: ${error.message}, when it is loaded`);
  }
}

/** The default export, or the only other one that is a plugin at first sight. */
function pick(name: string, exports: Readonly<Record<string, unknown>>): SecondaryMmu {
  if (exports['default'] !== undefined) return exports['default'] as SecondaryMmu;
  const found = Object.entries(exports).filter(([, value]) => typeof value === 'object' && value !== null && ('attach' in value || 'designs' in value));
  if (found.length === 1) return (found[0] as [string, SecondaryMmu])[1];
  if (found.length > 1) throw new UsageError(`${name}: exports the plugins ${found.map(([key]) => key).join(', ')}: make the one to check the default export`);
  throw new UsageError(`${name}: exports no plugin: write \`export const mine: SecondaryMmu = { name, designs, tables, attach }\``);
}

interface BuildMessage {
  readonly text: string;
  readonly location: { readonly file: string; readonly line: number; readonly column: number } | null;
}

function buildError(name: string, error: unknown): string {
  const [failure] = (error as { errors?: readonly BuildMessage[] }).errors ?? [];
  if (failure === undefined) return `${name}: ${error instanceof Error ? error.message : String(error)}`;
  const { location, text } = failure;
  return location === null ? `${name}: ${text}` : `${shortPath(location.file)}:${location.line}:${location.column + 1}: ${text}`;
}
