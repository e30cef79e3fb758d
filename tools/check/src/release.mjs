// A release as a maintainer makes it, on a throwaway clone and to a registry of this machine: versions from the changesets, a build, publish.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, workspace } from '@mmun/build/workspace';

/** @typedef {(what: string, command: readonly string[], options?: { cwd?: string, code?: number, env?: Record<string, string> }) => { stdout: string, output: string, seconds: number }} Step */

/**
 * @param {string} folder an empty place @param {import('./local-registry.mjs').LocalRegistry} registry @param {Step} step @param {(isTrue: boolean, message: string) => void} expect
 * @returns {Map<string, string>} what was published, in which version
 */
export function release(folder, registry, step, expect) {
  const clone = join(folder, 'clone');
  step('git clone', ['git', 'clone', '--quiet', ROOT, clone]);
  linkModules(clone);
  const env = { NPM_CONFIG_USERCONFIG: registry.userconfig, npm_config_registry: registry.url };
  const git = ['git', '-c', 'user.name=release', '-c', 'user.email=release@localhost', '-c', 'commit.gpgsign=false'];

  step('npm run release:version', ['npm', 'run', '--silent', 'release:version'], { cwd: clone });
  const packages = workspace(clone).filter(({ manifest }) => manifest.private !== true);
  const versions = new Map(packages.map(({ name, manifest }) => [name, String(manifest.version)]));
  for (const p of packages) checkVersion(p, versions, expect);
  const left = readdirSync(join(clone, '.changeset')).filter((file) => file.endsWith('.md') && file !== 'README.md');
  expect(left.length === 0, `changesets that no version used: ${left.join(', ')}`);
  step('what a version changed is in step', ['node', 'tools/sync/src/sync.mjs', '--check'], { cwd: clone });
  step('and so is the lockfile', ['npm', 'ci', '--dry-run', '--ignore-scripts', '--offline'], { cwd: clone });
  step('git commit', [...git, 'commit', '--quiet', '--all', '--message', 'release'], { cwd: clone });

  const { output } = step('npm run release:publish', ['npm', 'run', '--silent', 'release:publish'], { cwd: clone, env });
  if (!output.includes('packages published successfully')) {
    expect(false, 'nothing was published');
    return versions;
  }
  for (const [name, version] of versions) expect(output.includes(`${name}@${version}`), `changesets did not publish ${name}@${version}`);
  if (!process.argv.includes('--keep')) rmSync(clone, { recursive: true });
  return versions;
}

/** @param {import('@mmun/build/workspace').Package} p @param {Map<string, string>} versions @param {(isTrue: boolean, message: string) => void} expect */
function checkVersion({ name, directory, manifest }, versions, expect) {
  expect(/^\d+\.\d+\.\d+$/.test(manifest.version) && manifest.version !== '0.0.0', `${name}: version ${manifest.version}`);
  for (const [dependency, wanted] of Object.entries(manifest.dependencies ?? {})) {
    expect(!dependency.startsWith('@mmun/') || versions.get(dependency) === wanted, `${name} depends on ${dependency} ${wanted}, which is ${versions.get(dependency) ?? 'not published'}`);
  }
  const log = join(directory, 'CHANGELOG.md');
  expect(existsSync(log) && readFileSync(log, 'utf8').includes(`## ${manifest.version}`), `${name}: CHANGELOG.md does not tell of ${manifest.version}`);
}

/** The tools of this tree and the packages of the clone: `npm ci` there would only fetch the same again. @param {string} clone */
function linkModules(clone) {
  const [from, to] = [join(ROOT, 'node_modules'), join(clone, 'node_modules')];
  mkdirSync(join(to, '@mmun'), { recursive: true });
  for (const name of readdirSync(from)) {
    if (name !== '@mmun' && name !== '.cache') symlinkSync(join(from, name), join(to, name));
  }
  for (const { name, folder } of workspace(clone)) symlinkSync(join(clone, folder), join(to, name), 'dir');
}
