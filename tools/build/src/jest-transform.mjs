// Jest's transform: TypeScript (and our own .mjs) to CommonJS by esbuild, tasks in the form of the project.
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { transformSync, version } from 'esbuild';
import { withInlineMap } from './esbuild-tasks.mjs';
import { linkedName } from './jest-link.mjs';
import { TOOLS } from './jest-tools.mjs';
import { straighten } from './straighten.mjs';

const ownSource = ['straighten.mjs', 'jest-link.mjs', 'jest-tools.mjs', 'jest-transform.mjs', 'esbuild-tasks.mjs']
  .map((file) => readFileSync(new URL(file, import.meta.url), 'utf8'))
  .join('\0');

/** A CommonJS module has no import.meta: these stand in for it. */
const IMPORT_META = {
  'import.meta.url': '__mmunUrl',
  'import.meta.filename': '__filename',
  'import.meta.dirname': '__dirname',
};
const URL_BANNER = 'const __mmunUrl = require("node:url").pathToFileURL(__filename).href;';

/**
 * esbuild gives an .mjs file the default import that node gives: module.exports as a whole. Here every module is CommonJS
 * made of ESM, whose default is its `default`.
 */
const NODE_INTEROP = /(__toESM\(require\("[^"]+"\)), 1\)/g;

/** @param {{ form: import('./straighten.mjs').Form, image: string }} options */
function createTransformer({ form, image }) {
  return {
    canInstrument: false,
    /** @param {string} source @param {string} path */
    getCacheKey(source, path) {
      const linked = linkedName(path);
      return createHash('sha256').update([linked ? image : source, path, form, version, process.version, ownSource].join('\0')).digest('hex');
    },
    /** @param {string} source @param {string} path */
    process(source, path) {
      const linked = linkedName(path);
      if (linked) return { code: `module.exports = __mmunLinked(require).exportsOf(${JSON.stringify(linked)});` };
      if (TOOLS.includes(path)) return { code: `module.exports = __mmunTool(${JSON.stringify(path)});` };
      const isTypeScript = path.endsWith('.ts');
      const rewritten = isTypeScript ? straighten(source, path, { form }) : null;
      const { code } = transformSync(rewritten ? withInlineMap(rewritten) : source, {
        loader: isTypeScript ? 'ts' : 'js',
        format: 'cjs',
        platform: 'node',
        target: 'node20',
        supported: { 'dynamic-import': false },
        sourcefile: path,
        sourcemap: 'inline',
        define: IMPORT_META,
        ...(source.includes('import.meta.url') ? { banner: URL_BANNER } : {}),
      });
      return { code: code.replaceAll(NODE_INTEROP, '$1)') };
    },
  };
}

// jest takes a transformer from the default export only
export default { createTransformer };
