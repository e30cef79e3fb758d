/**
 * Generator functions of a plugin's own that are called and whose task is dropped. What services make is noticed when the
 * driver runs; of its own functions only the text can tell.
 */
import { readFileSync } from 'node:fs';
import { shortPath } from './short-path.js';

export interface DroppedTask {
  /** `driver.ts:31` */
  readonly place: string;
  /** `zap(..)` */
  readonly text: string;
}

interface Node {
  readonly type: string;
  readonly start: number;
  readonly [key: string]: unknown;
}

/** @param files absolute paths of sources */
export async function droppedTasks(files: readonly string[]): Promise<DroppedTask[]> {
  const { parseSync } = await import('oxc-parser');
  const parsed = files.filter((file) => /\.[cm]?[jt]s$/.test(file)).map((file) => {
    const code = readFileSync(file, 'utf8');
    return { file, code, program: parseSync(file, code, { sourceType: 'module' }).program as unknown as Node };
  });
  const tasks = new Set<string>();
  for (const { program } of parsed) walk(program, (node) => { noteGenerator(node, tasks); });
  return parsed.flatMap(({ file, code, program }) => {
    const found: DroppedTask[] = [];
    walk(program, (node) => {
      if (node.type !== 'ExpressionStatement') return;
      const name = calledName(node['expression'] as Node);
      if (name === '' || !tasks.has(name)) return;
      found.push({ place: `${shortPath(file)}:${code.slice(0, node.start).split('\n').length}`, text: `${name}(..)` });
    });
    return found;
  });
}

function noteGenerator(node: Node, tasks: Set<string>): void {
  const isGenerator = (value: unknown): boolean => (value as { generator?: boolean } | null)?.generator === true;
  if (node.type === 'FunctionDeclaration' && isGenerator(node)) tasks.add(nameOf(node['id']));
  if ((node.type === 'Property' || node.type === 'MethodDefinition') && isGenerator(node['value'])) tasks.add(nameOf(node['key']));
  if (node.type === 'VariableDeclarator' && isGenerator(node['init'])) tasks.add(nameOf(node['id']));
}

/** `f` of `f(..)` and of `o.f(..)`. */
function calledName(node: Node): string {
  if (node.type !== 'CallExpression') return '';
  const callee = node['callee'] as Node;
  return nameOf(callee.type === 'MemberExpression' ? callee['property'] : callee);
}

function nameOf(node: unknown): string {
  return (node as { name?: string } | null)?.name ?? '';
}

function walk(node: unknown, visit: (node: Node) => void): void {
  if (Array.isArray(node)) {
    for (const child of node) walk(child, visit);
  } else if (typeof node === 'object' && node !== null) {
    if (typeof (node as Node).type === 'string') visit(node as Node);
    for (const child of Object.values(node)) walk(child, visit);
  }
}
