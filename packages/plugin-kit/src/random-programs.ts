/**
 * Programs drawn at random: a process changes its memory, a device follows. One thread, so a run takes a moment, and what is
 * found is cut down to the calls that are needed.
 *
 *   m13  mmap 3 pages at page 1        W10  the process writes to page 1       G10  the device writes to page 1
 *
 * A program is its own replay string.
 */
import { MADV_DONTNEED, PAGE_SIZE, PROT_READ, PROT_WRITE } from '@mmun/include';
import type { Finding, FindingStep, Mm, SecondaryMmu, TaskStruct, Vaddr } from '@mmun/include';
import type { Setup } from '@mmun/races';
import { madeAlone, mustBeSilent } from './own-calls.js';
import { Random } from './random.js';
import type { DesignName, DeviceCall } from './scenarios.js';
import { runSequence } from './sequential.js';

/** One call: what, at which page, and how many pages or where to. */
interface Call {
  readonly op: string;
  readonly page: number;
  readonly n: number;
}

interface Kind {
  readonly weight: number;
  /** `munmap 0x1000, 2 pages` */
  readonly text: string;
  readonly actor: 'cpu0' | 'dev0' | 'child' | 'kswapd';
  /** Left out: every design. */
  readonly designs?: readonly DesignName[];
  /** Only a driver with calls of its own has it. */
  readonly isOwn?: boolean;
  run(t: Setup, s: State, at: Vaddr, n: number): void;
}

interface State {
  instance: number;
  child: TaskStruct;
  readonly other: Mm;
  readonly calls: readonly DeviceCall[];
}

const LAST_PAGE = 10;
const LENGTH = 14;

const KINDS: Readonly<Record<string, Kind>> = {
  m: { weight: 3, text: 'mmap', actor: 'cpu0', run: (t, _s, at, n) => { t.mmap(n, { at }); } },
  u: { weight: 2, text: 'munmap', actor: 'cpu0', run: (t, _s, at, n) => { t.munmap(at, n); } },
  r: { weight: 1, text: 'mprotect to read-only', actor: 'cpu0', run: (t, _s, at, n) => { t.mprotect(at, PROT_READ, n); } },
  w: { weight: 1, text: 'mprotect to read and write', actor: 'cpu0', run: (t, _s, at, n) => { t.mprotect(at, PROT_READ | PROT_WRITE, n); } },
  d: { weight: 2, text: 'MADV_DONTNEED', actor: 'cpu0', run: (t, _s, at, n) => { t.madvise(at, MADV_DONTNEED, n); } },
  W: { weight: 3, text: 'writes', actor: 'cpu0', run: (t, _s, at, n) => { t.write(at, n); } },
  R: { weight: 1, text: 'reads', actor: 'cpu0', run: (t, _s, at) => { t.read(at); } },
  g: { weight: 4, text: 'reads', actor: 'dev0', run: (t, s, at) => { if (s.instance > 0) t.dev.read(at, s.instance); } },
  G: { weight: 4, text: 'writes', actor: 'dev0', run: (t, s, at) => { if (s.instance > 0) t.dev.write(at, s.instance); } },
  k: { weight: 1, text: 'reclaims', actor: 'kswapd', run: (t, _s, at) => { t.reclaim(at); } },
  K: { weight: 1, text: 'looks for idle pages near', actor: 'kswapd', run: (t) => { t.kswapd(1); } },
  v: { weight: 1, text: 'mremap', actor: 'cpu0', run: (t, _s, at, n) => { if (n * PAGE_SIZE !== at) t.mremap(at, (n * PAGE_SIZE) as Vaddr); } },
  x: { weight: 1, text: 'closes, opens again', actor: 'dev0', run: reopen },
  o: { weight: 3, text: 'makes a call of its own', actor: 'dev0', isOwn: true, run: ownCall },
  f: { weight: 1, text: 'fork', actor: 'cpu0', designs: ['range'], run: (t, s) => { if (s.child === 0) s.child = Math.max(t.fork(), 0) as TaskStruct; } },
  c: { weight: 1, text: 'writes', actor: 'child', designs: ['range'], run: childWrites },
};

export interface RandomFinding {
  readonly finding: Finding;
  readonly program: string;
}

/** What became of them: how many were run, and the first that goes wrong, cut down. */
export interface ProgramsRun {
  readonly played: number;
  readonly found: RandomFinding | null;
}

/** `count` programs at most, until one goes wrong or `signal` says so: it is heard between them. */
export async function randomPrograms(plugin: SecondaryMmu, design: DesignName, count: number, seed: number, calls: readonly DeviceCall[] = [], signal?: AbortSignal): Promise<ProgramsRun> {
  const random = new Random(seed);
  let played = 0;
  for (; played < count; played++) {
    if (signal !== undefined && played % PROGRAMS_A_TURN === 0) await aTurn();
    if (signal?.aborted === true) break;
    const program = draw(random, design, calls);
    const finding = await play(plugin, design, program, calls);
    if (finding === null) continue;
    const short = await cutDown(plugin, design, program, finding.code, calls);
    const text = encode(short);
    const found = (await play(plugin, design, short, calls)) ?? finding;
    return { played: played + 1, found: { finding: { ...found, replay: text, steps: short.map(stepOf) }, program: text } };
  }
  return { played, found: null };
}

const PROGRAMS_A_TURN = 8;

/** Signals and timers have theirs: nothing else here waits for anything. */
export function aTurn(): Promise<void> {
  return new Promise((done) => { setImmediate(done); });
}

/** @throws RangeError for a text that is no program */
export async function replayProgram(plugin: SecondaryMmu, design: DesignName, text: string, own: readonly DeviceCall[] = []): Promise<Finding | null> {
  const calls = decode(text);
  const finding = await play(plugin, design, calls, own);
  return finding === null ? null : { ...finding, replay: text, steps: calls.map(stepOf) };
}

export function isProgram(text: string): boolean {
  return /^(?:[a-zA-Z][0-9a-f][0-9a-f])+$/.test(text) && [...text.matchAll(/([a-zA-Z])../g)].every(([, op]) => KINDS[op as string] !== undefined);
}

function draw(random: Random, design: DesignName, own: readonly DeviceCall[]): Call[] {
  const kinds = Object.entries(KINDS).filter(([, { designs, isOwn }]) => designs?.includes(design) !== false && (isOwn !== true || own.length > 0));
  const total = kinds.reduce((sum, [, { weight }]) => sum + weight, 0);
  const calls: Call[] = [{ op: 'm', page: 1, n: 6 }];
  while (calls.length < LENGTH) {
    let at = random.below(total);
    const [op] = kinds.find(([, { weight }]) => (at -= weight) < 0) as [string, Kind];
    const page = 1 + random.below(LAST_PAGE);
    calls.push({ op, page, n: op === 'v' ? 1 + random.below(LAST_PAGE) : 1 + random.below(Math.min(4, LAST_PAGE + 1 - page)) });
  }
  return calls;
}

async function play(plugin: SecondaryMmu, design: DesignName, calls: readonly Call[], own: readonly DeviceCall[]): Promise<Finding | null> {
  return runSequence(plugin, design, {
    config: { nrSwapSlots: 8, nrFrames: 16, nrVmas: 16, nrAnonVmas: 16, nrAnonVmaChains: 32, ...(own.length > 0 ? { nrMms: 4, nrTasks: 6, nrNotifiers: 5 } : {}) },
    run: (t) => {
      const other = own.length > 0 ? t.image.mmOf(t.m as never, t.process()) : (0 as Mm);
      const s: State = { instance: t.dev.instance, child: 0 as TaskStruct, other, calls: own };
      for (const { op, page, n } of calls) (KINDS[op] as Kind).run(t, s, (page * PAGE_SIZE) as Vaddr, n);
    },
  });
}

/** Without each call in turn, as long as the same goes wrong. */
async function cutDown(plugin: SecondaryMmu, design: DesignName, calls: readonly Call[], code: string, own: readonly DeviceCall[]): Promise<readonly Call[]> {
  let kept = calls;
  for (let i = kept.length - 1; i >= 0; i--) {
    const fewer = kept.filter((_, at) => at !== i);
    if ((await play(plugin, design, fewer, own))?.code === code) kept = fewer;
  }
  return kept;
}

function reopen(t: Setup, s: State): void {
  if (s.instance > 0) t.dev.close(s.instance);
  s.instance = t.dev.open(FIRST_MM);
}

function childWrites(t: Setup, { child }: State, at: Vaddr, n: number): void {
  if (child === 0) return;
  const parent = t.current;
  t.image.setCurrent(t.m as never, child);
  t.write(at, n + 16);
  t.image.setCurrent(t.m as never, parent);
}

/** `n` says which. */
function ownCall(t: Setup, { instance, other, calls }: State, at: Vaddr, n: number): void {
  const call = calls[n % calls.length];
  if (instance <= 0 || call === undefined) return;
  const said: unknown = t.dev.own(madeAlone(call, t.dev.driver, instance, at, other, true), instance);
  mustBeSilent(call, said);
}

function encode(calls: readonly Call[]): string {
  return calls.map(({ op, page, n }) => `${op}${page.toString(16)}${n.toString(16)}`).join('');
}

function decode(text: string): Call[] {
  if (!isProgram(text)) throw new RangeError(`replay: \`${text}\` is no program: each call is a letter (${Object.keys(KINDS).join('')}), a page and a number`);
  return [...text.matchAll(/([a-zA-Z])(.)(.)/g)].map(([, op, page, n]): Call => ({ op: op as string, page: Number.parseInt(page as string, 16), n: Number.parseInt(n as string, 16) }));
}

function stepOf({ op, page, n }: Call): FindingStep {
  const { text, actor } = KINDS[op] as Kind;
  const at = `0x${(page * PAGE_SIZE).toString(16)}`;
  const more = op === 'v' ? ` to 0x${(n * PAGE_SIZE).toString(16)}` : 'murwd'.includes(op) && n > 1 ? `, ${n} pages` : op === 'W' ? ` ${n}` : '';
  return { actor, text: op === 'f' || op === 'x' ? text : `${text} ${at}${more}` };
}

/** The process that the set-up runs as. */
const FIRST_MM = 1 as Mm;
