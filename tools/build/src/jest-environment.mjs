// What a spec runs in: jest's environment for node, with what its project has linked (jest-link.mjs) at hand.
//
// The linked file is the larger part of what a spec loads. It is compiled once in the life of a worker, and run once per spec, in the
// spec's own context. Names of that context are slow to look up: those that kernel code uses are handed to the file as variables.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Script } from 'node:vm';
import { linkedFile } from './jest-link.mjs';
import { TOOLS } from './jest-tools.mjs';

// its types are those of the CommonJS entry
const { TestEnvironment } = /** @type {typeof import('jest-environment-node')} */ (createRequire(import.meta.url)('jest-environment-node'));

/** @typedef {ConstructorParameters<typeof TestEnvironment>} Given */

const GLOBALS = [
  'Array', 'ArrayBuffer', 'BigInt', 'BigUint64Array', 'Boolean', 'DataView', 'Error', 'Float64Array', 'Infinity', 'Int32Array', 'JSON', 'Map', 'Math', 'NaN', 'Number', 'Object',
  'Promise', 'RangeError', 'Set', 'String', 'Symbol', 'TypeError', 'Uint16Array', 'Uint32Array', 'Uint8Array', 'WeakMap', 'undefined',
];

/** @type {Map<string, Script>} by file */
const compiled = new Map();

/** @param {string} file @returns {Script} */
function scriptOf(file) {
  const known = compiled.get(file);
  if (known) return known;
  const script = new Script(`(function (exports, require, module, __filename, __dirname, ${GLOBALS.join(', ')}) {${readFileSync(file, 'utf8')}\n})`, { filename: file });
  compiled.set(file, script);
  return script;
}

/** By path: as any process has them. @type {Map<string, object>} */
const tools = new Map();

class LinkedEnvironment extends TestEnvironment {
  /** @param {Given[0]} config @param {Given[1]} context */
  constructor(config, context) {
    super(config, context);
    const file = linkedFile(config.projectConfig.displayName?.name ?? '');
    /** @type {any} */
    let loaded = null;
    /** @param {NodeJS.Require} require of the module that asks @returns {any} what the linked file exports */
    const linked = (require) => {
      if (loaded || !this.context) return loaded;
      const module = { exports: {} };
      const { global } = this;
      scriptOf(file).runInContext(this.context)(module.exports, require, module, file, dirname(file), ...GLOBALS.map((name) => /** @type {any} */ (global)[name]));
      loaded = module.exports;
      return loaded;
    };
    Object.assign(this.global, { __mmunLinked: linked, __mmunTool: (/** @type {string} */ path) => tools.get(path) });
  }

  /** @override */
  async setup() {
    await super.setup();
    for (const path of TOOLS) if (!tools.has(path)) tools.set(path, await import(pathToFileURL(path).href));
  }
}

// jest takes an environment from the default export only
export default LinkedEnvironment;
