// A file that others may read, or write, at the same time: whole or not at all, and the last one wins.
import { randomUUID } from 'node:crypto';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';

/** Its folder is made. Whoever writes has a name of its own for it: other threads of a process are others too. @param {string} path @param {string} text */
export async function writeWhole(path, text) {
  await mkdir(dirname(path), { recursive: true });
  const own = join(dirname(path), `${randomUUID()}.part`);
  await writeFile(own, text);
  await rename(own, path);
}
