// Which local variables of a lowered generator still matter at each of its labels. What is dead is left out of a frame's
// state: two threads that differ only in values that nobody will read are in the same place.
import { visitorKeys } from 'oxc-parser';

/** @typedef {import('./straighten.mjs').Node} Node */
/** @typedef {{ reads: number, jumps: { to: number, written: number }[] }} Block */

/**
 * @param {Node} body the lowered function: a switch over labels
 * @param {readonly string[]} variables
 * @param {string} state name of the frame in it
 * @returns {number[] | null} by label, live variables as bits; null where it cannot be told
 */
export function liveAt(body, variables, state) {
  const [first] = body.body.body;
  if (first?.type !== 'SwitchStatement' || variables.length > 31) return null;
  /** @type {Map<number, Block>} */
  const blocks = new Map(first.cases.map((/** @type {Node} */ c) => [c.test.value, new Reader(variables, state, c.test.value).block(c.consequent)]));
  const live = Array.from({ length: Math.max(...blocks.keys()) + 1 }, () => 0);
  for (let changed = true; changed; ) {
    changed = false;
    for (const [label, { reads, jumps }] of blocks) {
      const now = jumps.reduce((bits, { to, written }) => bits | ((live[to] ?? 0) & ~written), reads);
      changed ||= now !== live[label];
      live[label] = now;
    }
  }
  return live;
}

/** Reads one block in the order in which it is run. */
class Reader {
  /** @param {readonly string[]} variables @param {string} state @param {number} label */
  constructor(variables, state, label) {
    this.variables = variables;
    this.state = state;
    this.label = label;
    this.reads = 0;
    this.written = 0;
    /** @type {Block['jumps']} */
    this.jumps = [];
  }

  /** @param {readonly Node[]} statements @returns {Block} */
  block(statements) {
    for (const statement of statements) this.walk(statement, true);
    return { reads: this.reads, jumps: this.jumps };
  }

  /** @param {Node} node @param {boolean} always it is run whenever the block is @returns {void} */
  walk(node, always) {
    switch (node.type) {
      case 'Identifier':
        return this.read(node.name);
      case 'MemberExpression':
        this.walk(node.object, always);
        if (node.computed) this.walk(node.property, always);
        return;
      case 'Property':
        if (node.computed) this.walk(node.key, always);
        return this.walk(node.value, always);
      case 'AssignmentExpression':
        return this.assignment(node, always);
      case 'LogicalExpression':
        this.walk(node.left, always);
        return this.walk(node.right, false);
      case 'IfStatement':
      case 'ConditionalExpression':
        this.walk(node.test, always);
        this.walk(node.consequent, false);
        if (node.alternate) this.walk(node.alternate, false);
        return;
      case 'ForStatement':
        if (node.init) this.walk(node.init, always);
        if (node.test) this.walk(node.test, always);
        this.walk(node.body, false);
        if (node.update) this.walk(node.update, false);
        return;
      case 'ReturnStatement':
        return this.instruction(node, always);
    }
    const isStraight = !node.type.endsWith('Statement') || node.type === 'ExpressionStatement' || node.type === 'BlockStatement';
    const runs = always && isStraight;
    for (const key of visitorKeys[node.type] ?? []) {
      const child = node[key];
      for (const c of [child].flat()) if (c) this.walk(c, runs);
    }
  }

  /** @param {string} name */
  read(name) {
    const at = this.variables.indexOf(name);
    if (at >= 0) this.reads |= (1 << at) & ~this.written;
  }

  /** @param {Node} node @param {boolean} always */
  assignment({ left, operator, right }, always) {
    const isLabel = left.type === 'MemberExpression' && left.object.name === this.state && left.property.name === 'label';
    if (isLabel) return void this.jumps.push({ to: right.value, written: this.written });
    if (left.type !== 'Identifier') this.walk(left, always);
    else if (operator !== '=') this.read(left.name);
    this.walk(right, always);
    const at = left.type === 'Identifier' ? this.variables.indexOf(left.name) : -1;
    if (at >= 0 && operator === '=' && always) this.written |= 1 << at;
  }

  /** @param {Node} node @param {boolean} always */
  instruction({ argument }, always) {
    const [op, arg] = argument?.elements ?? [];
    if (arg) this.walk(arg, always);
    if (op?.value === 3) this.jumps.push({ to: arg.value, written: this.written });
    if (op?.value === 4 || op?.value === 5) this.jumps.push({ to: this.label + 1, written: this.written });
  }
}
