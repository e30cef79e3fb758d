// A registry of our own on this machine, for one run: whoever asks it for @mmun/* gets what was just published there, and it asks nobody else.
// It is verdaccio, installed from the npm registry beside the tree when it is first needed: too much for every `npm ci`.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { ROOT } from '@mmun/build/workspace';

/** The newest that runs on Node 20. Its plugin asks for a tag of node-fetch, which mirrors of the registry may not have. */
const VERDACCIO = '6.2.4';
const MANIFEST = { private: true, dependencies: { verdaccio: VERDACCIO }, overrides: { 'node-fetch': '2.7.0' } };

const START_MILLIS = 30_000;

/**
 * `userconfig` is a file for NPM_CONFIG_USERCONFIG: what the user's own says, and @mmun from here.
 * @typedef {{ url: string, userconfig: string, stop: () => void }} LocalRegistry
 */

/** @param {string} folder an existing one, for its packages and its log @returns {Promise<LocalRegistry>} */
export async function startRegistry(folder) {
  const bin = join(installed(), 'node_modules/verdaccio/bin/verdaccio');
  const port = await freePort();
  const url = `http://127.0.0.1:${port}/`;
  const config = join(folder, 'registry.yaml');
  writeFileSync(config, [
    `storage: ${join(folder, 'storage')}`, 'auth:', '  htpasswd:', `    file: ${join(folder, 'htpasswd')}`, 'uplinks: {}', 'packages:', "  '@mmun/*':", '    access: $all', '    publish: $all',
    'max_body_size: 50mb', 'web:', '  enable: false', `log: { type: file, path: ${join(folder, 'registry.log')}, level: warn }`, '',
  ].join('\n'));
  const server = spawn(process.execPath, [bin, '--config', config, '--listen', `127.0.0.1:${port}`], { stdio: 'ignore' });
  const stop = () => void server.kill();
  process.once('exit', stop);
  await answers(`${url}-/ping`, () => server.exitCode === null);
  const userconfig = join(folder, 'npmrc');
  // npm publishes to nobody without a name; the registry lets everybody in
  writeFileSync(userconfig, `${usersOwn()}\n@mmun:registry=${url}\n//127.0.0.1:${port}/:_authToken=anybody\n`);
  return { url, userconfig, stop };
}

/** @returns {string} the folder that it is installed in, kept until the next `npm ci` */
function installed() {
  const folder = join(ROOT, 'node_modules/.cache', `mmun-verdaccio-${VERDACCIO}`);
  if (existsSync(join(folder, 'node_modules/verdaccio/package.json'))) return folder;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify(MANIFEST));
  const { status, stderr } = spawnSync('npm', ['install', '--silent', '--ignore-scripts', '--no-audit', '--no-fund', '--prefer-offline', '--no-package-lock'], { cwd: folder, encoding: 'utf8' });
  if (status !== 0) throw new Error(`verdaccio ${VERDACCIO} cannot be installed from the npm registry: ${stderr.trim()}`);
  return folder;
}

function usersOwn() {
  const path = process.env.NPM_CONFIG_USERCONFIG ?? process.env.npm_config_userconfig ?? join(homedir(), '.npmrc');
  return existsSync(path) ? readFileSync(path, 'utf8') : '';
}

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer().once('error', reject);
    probe.listen(0, '127.0.0.1', () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' && address !== null ? address.port : 0));
    });
  });
}

/** @param {string} url @param {() => boolean} lives */
async function answers(url, lives) {
  for (const until = performance.now() + START_MILLIS; performance.now() < until && lives();) {
    try {
      if ((await fetch(url)).ok) return;
    } catch {
      // not yet
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`the local registry does not answer at ${url}`);
}
