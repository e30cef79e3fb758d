/** The code blocks of README.md, docs/ and the packages' READMEs, and what they say of themselves. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT, workspace } from '@mmun/build/workspace';

export interface Block {
  /** From the root on. */
  readonly page: string;
  /** Of its first row of text. */
  readonly line: number;
  readonly language: string;
  readonly text: string;
  /** `<!-- prints: COMMAND -->` stands before a block that shows what a command prints. */
  readonly command: string | null;
}

export function pages(): string[] {
  const docs = readdirSync(join(ROOT, 'docs')).filter((name) => name.endsWith('.md')).sort().map((name) => `docs/${name}`);
  return ['README.md', ...docs, ...workspace().map(({ folder }) => `${folder}/README.md`).filter((path) => existsSync(join(ROOT, path)))];
}

export function textOf(page: string): string {
  return readFileSync(join(ROOT, page), 'utf8');
}

export function blocksOf(page: string, text: string = textOf(page)): Block[] {
  return [...text.matchAll(/(?:^<!-- prints: (.*) -->\n)?^```(\w*)\n([\s\S]*?)^```$/gm)].map((match) => {
    const [whole, command = null, language = '', body = ''] = match;
    const before = text.slice(0, match.index + whole.indexOf('```')).split('\n').length;
    return { page, line: before + 1, language, text: body, command };
  });
}

export interface Mention { readonly page: string; readonly command: string; readonly options: readonly string[] }

/** What pages call `mmun` with: in blocks and in code spans, where the rest of a table's cell may add options. */
export function mentions(page: string, text: string = textOf(page)): Mention[] {
  return text.split('\n').flatMap((line) =>
    [...line.matchAll(/(?:^|[\s`])(?:npx |\.\.\.\/)?mmun(?:\.mjs)? ([a-z][a-z-]*)(?=[\s`]|$)/g)].map((match) => {
      // another command on the line begins anew; options behind `--` are the recorded program's
      const rest = line.slice(match.index + match[0].length).split(/(?:npx )?mmun [a-z]| -- /)[0] ?? '';
      return { page, command: match[1] as string, options: [...rest.matchAll(/(?<![\w-])--[a-z][a-z-]*/g)].map(([option]) => option) };
    }));
}

/** Lines of a block with what differs from run to run, from machine to machine and with every line of the kernel made equal: times, how wide a column is, digests of replay strings. */
export function normalized(text: string): string[] {
  return text.split('\n').map((line) => line.replaceAll(/\b\d+(?:\.\d+)? m?s\b/g, 'TIME').replaceAll(/~[\w-]{4}'/g, "~DIGEST'").replaceAll(/\s+/g, ' ').trim()).filter((line) => line !== '');
}

/**
 * `...` stands for lines, or for the rest of one, that a block leaves out.
 * @returns the first line of `shown` that `printed` does not have behind those before it; undefined where it has all
 */
export function firstMissing(shown: readonly string[], printed: readonly string[]): string | undefined {
  let from = 0;
  return shown.filter((line) => line !== '...').find((line) => {
    const isIt = line.endsWith('...') ? (text: string): boolean => text.startsWith(line.slice(0, -3).trimEnd()) : (text: string): boolean => text === line;
    const at = printed.findIndex((text, index) => index >= from && isIt(text));
    from = at + 1;
    return at < 0;
  });
}
