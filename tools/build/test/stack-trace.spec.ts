import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { tasks } from '../src/esbuild-tasks.mjs';
import type { Form } from '@mmun/build/straighten';

const SOURCE = `import type { Task, Step } from '@mmun/include';

const isSwitch: boolean = false;
function point(): Task<Step> { return isSwitch as never; }

function* inner(depth: number): Task<Step, number> {
  yield* point();
  if (depth > 0) return yield*
    inner(depth - 1);
  throw new Error('at the bottom');
}

export function* outer(): Task<Step, number> {
  return (yield* inner(1)) + 1;
}

const task: unknown = outer();
(task as Generator).next();
`;

/** Line and column of the first occurrence of `text`, one-based. */
function where(text: string): string {
  const lines = SOURCE.slice(0, SOURCE.indexOf(text)).split('\n');
  return `${lines.length}:${(lines.at(-1) ?? '').length + 1}`;
}

describe('a stack trace through both rewritings', () => {
  let folder = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'mmun-trace-'));
    writeFileSync(join(folder, 'task.ts'), SOURCE);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it.each<Form>(['fast', 'explore'])('%s: names the line and column of the source', async (form) => {
    const outfile = join(folder, `${form}.mjs`);
    await build({ entryPoints: [join(folder, 'task.ts')], outfile, bundle: true, format: 'esm', minifySyntax: true, sourcemap: 'linked', plugins: [tasks(form)] });
    const { stderr } = spawnSync(process.execPath, ['--enable-source-maps', outfile], { encoding: 'utf8' });
    expect(stderr).toContain('Error: at the bottom');
    const frames = [...stderr.matchAll(/at (?:inner|outer) \(?.*task\.ts:(\d+:\d+)/g)].map(([, place]) => place);
    expect(frames.slice(0, 3)).toEqual([where("new Error('at the bottom')"), where('inner(depth - 1)'), where('inner(1)')]);
  });
});

describe('under jest', () => {
  it('an error names the line and column of the specification', () => {
    const { stack = '' } = new Error('here');
    expect(stack).toContain('stack-trace.spec.ts:55:28');
  });
});
