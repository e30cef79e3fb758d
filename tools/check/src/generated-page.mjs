// A page of docs/ that a tool writes: written, or compared with what stands there.
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '@mmun/build/workspace';

/** @param {string} path from the root on @param {string} text as it should be */
export function writeOrCompare(path, text) {
  const is = existsSync(join(ROOT, path)) ? readFileSync(join(ROOT, path), 'utf8') : '';
  if (process.argv.includes('--write')) {
    if (is !== text) writeFileSync(join(ROOT, path), text);
    console.log(`${path}: ${is === text ? 'is as it was' : 'written'}`);
    return;
  }
  const [a, b] = [new Set(is.split('\n')), new Set(text.split('\n'))];
  const lines = [...[...a].filter((line) => !b.has(line)).map((line) => `- ${line}`), ...[...b].filter((line) => !a.has(line)).map((line) => `+ ${line}`)];
  for (const line of lines.slice(0, 8)) console.log(`  ${line.slice(0, 160)}`);
  console.log(is === text ? `${path} is what the tree says` : `${path}: ${lines.length} lines differ: npm run docs`);
  process.exitCode = is === text ? 0 : 1;
}

/** @param {readonly string[]} head @param {readonly (readonly string[])[]} rows @returns {string[]} */
export function table(head, rows) {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
}
