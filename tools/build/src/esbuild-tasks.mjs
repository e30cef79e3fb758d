// The transform as an esbuild plugin. Rewritten sources are kept for the life of the process: images share most files.
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { eager } from './eager.mjs';
import { RUNTIME, RUNTIME_FILE, toFrames } from './frames.mjs';
import { straighten, StraightenError } from './straighten.mjs';

/** @typedef {import('./straighten.mjs').Form | 'frames'} BundledForm `frames` is the explore form with tasks that can be copied */

/** @type {Map<string, Promise<import('esbuild').OnLoadResult>>} */
const rewritten = new Map();

/**
 * @param {BundledForm} form
 * @param {(code: string, path: string) => string} [edit] applied to a source before the transform; tests delete calls with it
 * @returns {import('esbuild').Plugin}
 */
export function tasks(form, edit) {
  return {
    name: `tasks-${form}`,
    setup(build) {
      if (form === 'frames') build.onResolve({ filter: new RegExp(`^${RUNTIME}$`) }, () => ({ path: fileURLToPath(RUNTIME_FILE) }));
      build.onLoad({ filter: /\.ts$/ }, ({ path }) => {
        if (edit) return load(path, form, edit);
        const key = `${form} ${path}`;
        const known = rewritten.get(key);
        if (known) return known;
        const fresh = load(path, form, (code) => code);
        rewritten.set(key, fresh);
        return fresh;
      });
    },
  };
}

/**
 * @param {string} path @param {BundledForm} form @param {(code: string, path: string) => string} edit
 * @returns {Promise<import('esbuild').OnLoadResult>}
 */
async function load(path, form, edit) {
  const written = edit(await readFile(path, 'utf8'), path);
  const code = form === 'frames' ? eager(written, path) : written;
  try {
    const out = straighten(code, path, { form: form === 'frames' ? 'explore' : form });
    const framed = form === 'frames' ? toFrames(out?.code ?? code, path) : null;
    if (framed) return { contents: withInlineMap(framed), loader: 'js' };
    return { contents: out ? withInlineMap(out) : code, loader: 'ts' };
  } catch (error) {
    if (error instanceof StraightenError) return { errors: [{ text: error.message }] };
    throw error;
  }
}

/** @param {import('./straighten.mjs').Straightened} out */
export function withInlineMap({ code, map }) {
  return `${code}\n//# sourceMappingURL=data:application/json;base64,${Buffer.from(JSON.stringify(map)).toString('base64')}`;
}
