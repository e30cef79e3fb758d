// Deletes calls from a source as an editor would: what is left is what a program looks like that never heard of them.
import MagicString from 'magic-string';
import { parseSync, visitorKeys } from 'oxc-parser';

interface Node {
  readonly type: string;
  readonly start: number;
  readonly end: number;
  readonly [key: string]: any;
}

/**
 * @param name of the functions whose calls go
 * @returns the source without statements that call them, and without them as the right side of `|` or `||`; what only
 *   `MMU_NOTIFIER` lets be called goes with that name
 */
export function deleteCalls(code: string, path: string, name: RegExp): string {
  const out = new MagicString(code);
  let deleted = 0;
  const visit = (node: Node, ancestors: readonly Node[]): void => {
    if (node.type === 'CallExpression' && name.test(node['callee'].name ?? '')) {
      const [start, end] = extent(node, ancestors, code, path);
      out.remove(start, end);
      deleted++;
      return;
    }
    for (const key of visitorKeys[node.type] ?? []) {
      for (const child of [node[key]].flat()) if (child) visit(child, [node, ...ancestors]);
    }
  };
  visit(parseSync(path, code).program as unknown as Node, []);
  return deleted === 0 ? code : out.toString();
}

/** What goes with the call: `yield*`, parentheses, and the statement or the operator before it. */
function extent(call: Node, ancestors: readonly Node[], code: string, path: string): [number, number] {
  let node = call;
  for (const [depth, parent] of ancestors.entries()) {
    const above = ancestors[depth + 1];
    if (parent.type === 'ExpressionStatement') return above?.type === 'IfStatement' && isNotifier(above['test']) ? [above.start, above.end] : [parent.start, parent.end];
    const isGuarded = isNotifier(parent['left'] ?? parent['test']) && node !== parent['alternate'];
    if (parent.type === 'ConditionalExpression' && isGuarded) return [parent.start, parent['alternate'].start];
    const isGuard = parent.type === 'LogicalExpression' && parent['operator'] === '&&' && isGuarded;
    const isOr = parent.type === 'BinaryExpression' || parent.type === 'LogicalExpression';
    if (isOr && /^\|\|?$/.test(parent['operator']) && parent['right'] === node) return [parent['left'].end, node.end];
    if (!isGuard && parent.type !== 'YieldExpression' && parent.type !== 'ParenthesizedExpression') break;
    node = parent;
  }
  const line = code.slice(0, call.start).split('\n').length;
  throw new Error(`${path}:${line}: a call whose value is used cannot be deleted from the text`);
}

function isNotifier(node: Node | undefined): boolean {
  return node?.type === 'Identifier' && node['name'] === 'MMU_NOTIFIER';
}
