/**
 * Generator functions of a plugin's own that are called and whose task is dropped. What services make is noticed when the
 * driver runs; of its own functions only the text can tell.
 */
import { readFileSync } from 'node:fs';
import type { RaceContext, RaceDevice } from '@mmun/races';
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

type TaskOf<T> = { [K in keyof T]: T[K] extends (...args: never[]) => Generator<unknown, unknown, void> ? K : never }[keyof T];

/** Of `t` and of its devices: what an actor must yield. */
const TASKS: Readonly<Record<TaskOf<RaceContext> | TaskOf<RaceDevice>, true>> = {
  access: true, close: true, exit: true, fault: true, fork: true, gup: true, gupFast: true, kswapd: true, madvise: true, mmap: true, mprotect: true, mremap: true,
  munmap: true, oomReap: true, open: true, own: true, peek: true, poke: true, punchHole: true, put: true, rcu: true, read: true, readAs: true, readOn: true,
  reclaim: true, run: true, truncate: true, work: true, write: true, writeOn: true, writeProtect: true, writeback: true,
};

/** Calls of `t` that the actors of a race make and drop, and generators of its own. In a set-up the same names are plain functions. */
export async function droppedCalls(file: string): Promise<DroppedTask[]> {
  const { parseSync } = await import('oxc-parser');
  const code = readFileSync(file, 'utf8');
  const program = parseSync(file, code, { sourceType: 'module' }).program as unknown as Node;
  const found: DroppedTask[] = [];
  const check = (call: Node | null, context: string): void => {
    const path = call?.type === 'CallExpression' ? pathOf(call['callee'] as Node) : [];
    if (path[0] !== context || !Object.hasOwn(TASKS, path.at(-1) ?? '')) return;
    found.push({ place: `${shortPath(file)}:${code.slice(0, (call as Node).start).split('\n').length}`, text: `${path.join('.')}(..)` });
  };
  walk(program, (node) => {
    if (node.type !== 'Property' || nameOf(node['key']) !== 'actors') return;
    walk(node['value'], (actor) => {
      const context = nameOf((actor['params'] as Node[] | undefined)?.[0]);
      if (context === '') return;
      walk(actor['body'], (inner) => {
        for (const part of DROPPING[inner.type] ?? []) check(inner[part] as Node | null, context);
      });
    });
  });
  return found.length > 0 ? found : droppedTasks([file]);
}

/** Where a task that is not yielded is nothing, or is taken for its result. */
const DROPPING: Readonly<Record<string, readonly string[]>> = {
  ExpressionStatement: ['expression'], VariableDeclarator: ['init'], AssignmentExpression: ['right'], AwaitExpression: ['argument'], BinaryExpression: ['left', 'right'],
  UnaryExpression: ['argument'], IfStatement: ['test'], WhileStatement: ['test'],
};

/** `t.dev.read` and `t.devs[1].read` as names; what is computed is left out. */
function pathOf(node: Node): string[] {
  if (node.type === 'MemberExpression') return [...pathOf(node['object'] as Node), ...(node['computed'] === true ? [] : [nameOf(node['property'])])];
  return node.type === 'Identifier' ? [nameOf(node)] : [''];
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
