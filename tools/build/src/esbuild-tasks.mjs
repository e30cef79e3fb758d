// The transform as an esbuild plugin. Rewritten sources are kept for the life of the process: images share most files.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { eager } from './eager.mjs';
import { RUNTIME, RUNTIME_FILE, toFrames } from './frames.mjs';
import { straighten, StraightenError } from './straighten.mjs';
import { MODULES } from './workspace.mjs';
import { writeWhole } from './write-whole.mjs';

/** @typedef {import('./straighten.mjs').Form | 'frames'} BundledForm `frames` is the explore form with tasks that can be copied */

/** By form and path: the text, and what came of it. @type {Map<string, { text: string, result: Promise<import('esbuild').OnLoadResult> }>} */
const rewritten = new Map();

/**
 * @param {BundledForm} form
 * @param {(code: string, path: string) => string} [edit] applied to a source before the transform; tests delete calls with it
 * @param {(path: string) => boolean} [isEdited] what of all sources `edit` may change; left out: any
 * @param {(path: string, text: string) => void} [onRead] told of each source as it was read
 * @returns {import('esbuild').Plugin}
 */
export function tasks(form, edit, isEdited = () => true, onRead = () => undefined) {
  return {
    name: `tasks-${form}`,
    setup(build) {
      if (form === 'frames') build.onResolve({ filter: new RegExp(`^${RUNTIME}$`) }, () => ({ path: fileURLToPath(RUNTIME_FILE) }));
      build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const text = await readFile(path, 'utf8');
        onRead(path, text);
        if (edit && isEdited(path)) return load(edit(text, path), path, form);
        const key = `${form} ${path}`;
        const known = rewritten.get(key);
        if (known?.text === text) return known.result;
        const result = load(text, path, form);
        rewritten.set(key, { text, result });
        return result;
      });
    },
  };
}

/** @param {string} written @param {string} path @param {BundledForm} form @returns {Promise<import('esbuild').OnLoadResult>} */
async function load(written, path, form) {
  return form === 'frames' ? kept(written, path) : rewrite(written, path, form);
}

/** The frames form takes the compiler's time: what it made of a source is kept on disk. @param {string} written @param {string} path */
async function kept(written, path) {
  const key = createHash('sha256').update([await makers(), path, written].join('\0')).digest('hex');
  const file = join(CACHE, key);
  try {
    return /** @type {import('esbuild').OnLoadResult} */ (JSON.parse(await readFile(file, 'utf8')));
  } catch {
    const fresh = rewrite(written, path, 'frames');
    if (fresh.errors) return fresh;
    await writeWhole(file, JSON.stringify(fresh));
    return fresh;
  }
}

const CACHE = join(MODULES, '.cache/mmun-frames');

/** @type {Promise<string> | undefined} */
let sources;

/** What decides how a source is rewritten. */
function makers() {
  const files = ['esbuild-tasks.mjs', 'eager.mjs', 'frames.mjs', 'frame-runtime.mjs', 'liveness.mjs', 'straighten.mjs'];
  sources ??= Promise.all(files.map((file) => readFile(new URL(file, import.meta.url), 'utf8'))).then((texts) => createHash('sha256').update(texts.join('\0')).digest('hex'));
  return sources;
}

/** @param {string} written @param {string} path @param {BundledForm} form @returns {import('esbuild').OnLoadResult} */
function rewrite(written, path, form) {
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
