/**
 * A schedule in a line: only where it leaves the ordinary way, which is that a thread goes
 * on until it waits, yields or ends, and then the next one in order runs.
 *
 *   fault0.a2.litmus.mmu:unmap0,unmap0.end:fault0~7f3k
 *   place                :who              ,...  ~digest of what was observed
 *
 * Where that is longer than 80 characters, objects are shortened to a hash (`*x7k`), then
 * whole places are (`!4fQz`), and threads to their numbers; all forms name the same places.
 */
export interface Turn {
  /** A label, or the label of a choice. */
  readonly at: string;
  /** Name of a thread, or option of a choice. */
  readonly to: string;
}

export interface ReplayScript {
  readonly turns: readonly Turn[];
  /** Empty where the string has none. */
  readonly digest: string;
}

export const MAX_REPLAY_LENGTH = 80;
const DIGITS = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

/** @param threads names, in order */
export function printReplay({ turns, digest }: ReplayScript, threads: readonly string[]): string {
  const number = (name: string): string => (threads.includes(name) ? `${threads.indexOf(name)}` : name);
  const forms: ((turn: Turn) => string)[] = [
    ({ at, to }) => `${at}:${to}`,
    ({ at, to }) => `${shortObject(at)}:${to}`,
    ({ at, to }) => `${shortObject(at)}:${isChoice(at) ? to : number(to)}`,
    ({ at, to }) => `${shortPlace(at)}:${isChoice(at) ? to : number(to)}`,
  ];
  let text = '';
  for (const form of forms) {
    text = `${turns.length === 0 ? '-' : turns.map(form).join(',')}~${digest}`;
    if (text.length <= MAX_REPLAY_LENGTH) break;
  }
  return text;
}

/** A string that is no replay string; the message says what is wrong with it. */
export class ReplaySyntax extends Error {}

/** Numbers of threads become names again; shortened places stay as they are and are matched by `isPlace`. */
export function parseReplay(text: string, threads: readonly string[]): ReplayScript {
  const [body = '', digest = '', ...more] = text.trim().split('~');
  if (body === '' || more.length > 0) throw new ReplaySyntax(`replay \`${text}\`: expected place:thread,...~digest, or -~digest`);
  if (body === '-') return { turns: [], digest };
  const turns = body.split(',').map((part) => {
    const match = /^([^:]+):([^:]+)$/.exec(part);
    if (match === null) throw new ReplaySyntax(`replay: \`${part}\` is not place:thread`);
    const [, at = '', to = ''] = match;
    if (isChoice(at) && !at.startsWith('!')) return { at, to };
    const name = threads.includes(to) ? to : threads[Number(to)] ?? to;
    return { at, to: at.startsWith('!') ? to : name };
  });
  for (const { at, to } of turns) if (!isChoice(at) && !at.startsWith('!') && !threads.includes(to)) throw new ReplaySyntax(`replay: no thread is called \`${to}\`: there are ${threads.join(', ')}`);
  return { turns, digest };
}

/** Whether a place of a replay string, in any of its forms, is the one that `label` names. */
export function isPlace(at: string, label: string): boolean {
  return at === label || (at.includes('*') && at === shortObject(label)) || (at.startsWith('!') && at === shortPlace(label));
}

function isChoice(at: string): boolean {
  return at.includes('?');
}

function shortObject(label: string): string {
  const match = /^([^.]+\.[A-Za-z]\d+|[^.?]+\?\d+)\.(.+)$/.exec(label);
  return match === null ? label : `${match[1]}*${hashText(match[2] as string, 3)}`;
}

function shortPlace(label: string): string {
  return `!${hashText(label, 4)}`;
}

/** `length` digits of base 62. */
export function hashText(text: string, length: number): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 15), 0x735a2d97);
  return digits((hash ^ (hash >>> 14)) >>> 0, length);
}

export function digits(value: number, length: number): string {
  let out = '';
  for (let rest = value; out.length < length; rest = Math.floor(rest / 62)) out += DIGITS[rest % 62];
  return out;
}
