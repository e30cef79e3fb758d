import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildImage } from '@mmun/build/images';
import { VARIANTS } from '@mmun/build/variants';
import { effort, later } from '@mmun/test-support';
import { deleteCalls } from './delete-calls.js';

describe('deleteCalls', () => {
  const deleted = (code: string): string => deleteCalls(code, 'a.ts', /^hook/);

  it('takes statements away, tasks and functions alike, and terms of an or', () => {
    expect(deleted('function* f(): T { a(); yield* hook(m, g(x)); hookPlain(); b(); }')).toBe('function* f(): T { a();   b(); }');
    expect(deleted('function* f(): T { return young | (yield* hookAge(m)); }')).toBe('function* f(): T { return young; }');
    expect(deleted('const a = unhook();')).toBe('const a = unhook();');
    expect(deleted('function* f(): T { const a = MMU_NOTIFIER ? yield* hook(m) : 0; }')).toBe('function* f(): T { const a = 0; }');
    expect(deleted('if (MMU_NOTIFIER) hook(m); b();')).toBe(' b();');
    expect(deleted('if (a(m) || (MMU_NOTIFIER && hookPending(m))) b();')).toBe('if (a(m)) b();');
  });

  it('refuses where something depends on the value', () => {
    expect(() => deleted('\nconst a = hook();')).toThrow('a.ts:2: a call whose value is used cannot be deleted from the text');
  });
});

const SILENT = VARIANTS.filter(({ design, build }) => design === 'off' && build === 'fast');

// A kernel without notifiers, and a kernel from whose text every notifier call was deleted: the same bytes.
describe.each(SILENT.slice(0, effort(1, SILENT.length)).map((variant) => [variant.name, variant] as const))('the %s image', (name, variant) => {
  const outdirs = ['as-written', 'deleted'].map((name) => mkdtempSync(join(tmpdir(), `mmun-${name}-`)));
  afterAll(() => outdirs.forEach((outdir) => rmSync(outdir, { recursive: true })));

  later(it.skip, it)('holds no byte of notifier code', async () => {
    const [asWritten = '', deleted = ''] = outdirs;
    let edited = 0;
    await buildImage(variant, { outdir: asWritten });
    await buildImage(variant, {
      outdir: deleted,
      edit: (code, path) => {
        if (!/[\\/]packages[\\/](mm|arch-[a-z0-9]+)[\\/]src[\\/]/.test(path)) return code;
        const without = deleteCalls(code, path, /^mmuNotifier/);
        if (without !== code) edited++;
        return without;
      },
    });
    expect(edited).toBeGreaterThan(3);
    const [one, two] = outdirs.map((outdir) => readFileSync(join(outdir, `${name}.js`), 'utf8'));
    expect(one).toBe(two);
    expect(one?.match(/.*(mmuNotifier|invalidatePage|invalidateRange).*/g)).toBeNull();
  });
});
