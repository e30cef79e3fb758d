/** The same recordings with the same device traffic under each notifier design. */
import type { Design, NotifierCounts } from '@mmun/include';
import { DESIGNS, loadImage } from '../run/images.js';
import { loadPlugins } from '../run/plugins.js';
import { runRecordings } from '../run/run-recordings.js';
import type { RunWatcher } from '../run/run-recordings.js';
import type { RunReport, SecondaryReport } from '../run/run-report.js';
import { Ledger } from './ledger.js';
import type { ToldUnder } from './ledger.js';

export interface CompareRequest {
  readonly sources: readonly string[];
  readonly arch: string;
  /** One plugin; what differs under the designs is what it is told. */
  readonly plugin: string;
  readonly deviceRate: number;
  readonly seed: number;
}

/** What one design made of the recordings. */
export interface DesignReport {
  readonly design: Design;
  /** Every process came out as recorded. */
  readonly equal: boolean;
  /** null in an image without notifiers, to which nothing can be attached. */
  readonly notifier: NotifierCounts | null;
  /** `refaults`: faults on pages that the device had asked for before. */
  readonly secondary: (SecondaryReport & { readonly refaults: number }) | null;
  readonly told: readonly ToldUnder[];
  readonly findings: RunReport['findings'];
  readonly elapsedMs: number;
}

/** The document of `mmun compare --json`. Fields may be added, none renamed. */
export interface CompareReport {
  readonly schema: 'mmun.compare/1';
  readonly arch: string;
  readonly plugin: string;
  readonly deviceRate: number;
  readonly seed: number;
  readonly recordings: readonly string[];
  readonly designs: readonly DesignReport[];
  readonly interrupted: boolean;
  readonly ok: boolean;
}

export async function compareDesigns(request: CompareRequest, watcher: RunWatcher): Promise<CompareReport> {
  const designs: DesignReport[] = [];
  let names: readonly string[] = [];
  let isInterrupted = false;
  for (const [index, design] of DESIGNS.entries()) {
    const share = { signal: watcher.signal, onProgress: (fraction: number, label: string) => watcher.onProgress((index + fraction) / DESIGNS.length, `${design}: ${label}`) };
    const { report, run } = await runDesign(request, design, share);
    designs.push(report);
    names = run.recordings.map(({ name }) => name);
    isInterrupted = run.interrupted;
    if (isInterrupted) break;
  }
  const { arch, plugin, deviceRate, seed } = request;
  return {
    schema: 'mmun.compare/1', arch, plugin, deviceRate, seed, recordings: names, designs, interrupted: isInterrupted,
    ok: !isInterrupted && designs.every(({ equal, findings }) => equal && findings.length === 0),
  };
}

async function runDesign(request: CompareRequest, design: (typeof DESIGNS)[number], watcher: RunWatcher): Promise<{ report: DesignReport; run: RunReport }> {
  const { sources, deviceRate, seed } = request;
  const image = await loadImage({ arch: request.arch, design, build: 'checked' });
  const ledger = new Ledger();
  const [plugin] = design === 'off' ? [] : await loadPlugins([request.plugin], image);
  const watched = plugin === undefined ? { image, plugins: [] } : { image: ledger.watch(image, plugin).image, plugins: [ledger.watch(image, plugin).plugin] };
  const run = await runRecordings({ sources, ...watched, deviceRate, seed }, watcher);
  const [secondary] = run.secondary;
  const report: DesignReport = {
    design, equal: run.ok || (!run.interrupted && isEqual(run)), notifier: run.notifier ?? null,
    secondary: secondary === undefined ? null : { ...secondary, refaults: ledger.refaults }, told: ledger.told, findings: run.findings, elapsedMs: run.elapsedMs,
  };
  return { report, run };
}

function isEqual({ recordings }: RunReport): boolean {
  return recordings.every(({ processes }) => processes.length > 0 && processes.every(({ addresses, errnos, maps, anonymous, vmFlags }) =>
    addresses.equal === addresses.asked && errnos.equal === errnos.checked && (maps.equal || !maps.compared) && anonymous.equal === anonymous.rows && vmFlags.equal === vmFlags.rows));
}
