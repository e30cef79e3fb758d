import { fileURLToPath } from 'node:url';

/** What specs use of the tools that is not under test there, and takes time to load or keeps what it has made: paths. */
export const TOOLS = ['link-race.mjs', 'evaluate.mjs', 'type-errors.mjs'].map((file) => fileURLToPath(new URL(file, import.meta.url)));
