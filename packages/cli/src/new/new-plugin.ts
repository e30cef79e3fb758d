/** Writes a plugin package: a working minimal driver, its torture, and what a package needs around it. */
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { UsageError } from '../usage-error.js';

export interface NewPlugin {
  /** As typed from the working directory. */
  readonly folder: string;
  readonly files: readonly string[];
  /** What to type next. */
  readonly next: readonly string[];
}

/** Versions by package name, as the running command depends on them. */
export type Versions = Readonly<Record<string, string>>;

const NAME = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;
const TEMPLATE = new URL('../templates/plugin/', import.meta.url);
const TYPESCRIPT = '6.0.3';

/** @throws UsageError in one line for a name or a folder that cannot be */
export function newPlugin(name: string, dir: string | undefined, versions: Versions): NewPlugin {
  if (!NAME.test(name)) throw new UsageError(`${JSON.stringify(name)} is no name for a plugin: expected lower case letters, digits and single hyphens, as in my-device`);
  const root = workspaceRoot(process.cwd());
  const isInside = root !== null && (dir === undefined || !relative(root, resolve(dir)).startsWith('..'));
  const folder = resolve(dir ?? (isInside ? join(root, 'packages', `plugin-${name}`) : name));
  if (existsSync(folder) && readdirSync(folder).length > 0) throw new UsageError(`${shown(folder)}: exists already and is not empty: name another folder with --dir`);
  const files = isInside ? filesInside(name, versions) : filesOutside(name, versions);
  for (const [path, text] of Object.entries(files)) {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
  }
  const into = shown(folder);
  return { folder: into, files: Object.keys(files), next: isInside ? ['npm run sync', `npx jest ${into}`, `npx mmun check ${into}/src/index.ts`] : [...(into === '.' ? [] : [`cd ${into}`]), 'npm install', 'npm test', 'npx mmun check src/index.ts'] };
}

/** The folder of mmun's own repository above `from`, if any. */
function workspaceRoot(from: string): string | null {
  for (let at = resolve(from); ; at = dirname(at)) {
    const manifest = join(at, 'package.json');
    if (existsSync(manifest) && (JSON.parse(readFileSync(manifest, 'utf8')) as { name?: string }).name === 'mmun-workspace') return at;
    if (dirname(at) === at) return null;
  }
}

type Files = Readonly<Record<string, string>>;

/** A package of mmun's own repository. */
function filesInside(name: string, versions: Versions): Files {
  const version = versions['@mmun/include'] as string;
  const own = `@mmun/plugin-${name}`;
  return {
    'package.json': json({
      name: own, version, description: `${titleOf(name)} as a secondary MMU.`, license: 'MIT', type: 'module', sideEffects: false,
      exports: {
        '.': { '@mmun/source': './src/index.ts', types: './dist/index.d.ts', '@mmun/fast': './dist/fast/index.js', default: './dist/index.js' },
        './fast': { '@mmun/source': './src/index.ts', types: './dist/index.d.ts', default: './dist/fast/index.js' },
      },
      files: ['dist', 'src'], dependencies: { '@mmun/lib': version }, peerDependencies: { '@mmun/include': '0.x' },
      devDependencies: { '@mmun/include': version, '@mmun/plugin-kit': version },
      nx: { tags: ['layer:plugin', 'env:pure', 'build:fast', 'image:independent'] },
    }),
    'tsconfig.json': json({
      extends: '../../tsconfig.base.json', compilerOptions: { rootDir: 'src', outDir: 'dist', tsBuildInfoFile: 'dist/tsconfig.tsbuildinfo' },
      include: ['src'], references: [{ path: '../include' }, { path: '../lib' }],
    }),
    'src/index.ts': `export { ${exportOf(name)} } from './driver.js';\n`,
    'src/driver.ts': driver(name),
    [`test/${name}.kit.spec.ts`]: `import { torture } from '@mmun/plugin-kit';\nimport { ${exportOf(name)} } from '${own}';\n\nvoid torture(${exportOf(name)});\n`,
    'README.md': readme(name, own).replaceAll('src/index.ts', 'src/driver.ts'),
  };
}

/** A package of its own, anywhere. */
function filesOutside(name: string, versions: Versions): Files {
  const { '@mmun/cli': cli, '@mmun/include': include, '@mmun/plugin-kit': kit } = versions as Record<'@mmun/cli' | '@mmun/include' | '@mmun/plugin-kit', string>;
  return {
    'package.json': json({
      name: `mmun-plugin-${name}`, version: '0.1.0', description: `${titleOf(name)} as a secondary MMU.`, license: 'MIT', type: 'module',
      exports: { '.': { types: './dist/index.d.ts', default: './dist/index.js' } }, files: ['dist', 'src'],
      scripts: { build: 'tsc', test: 'tsc && node --test test/*.test.mjs', check: 'mmun check src/index.ts' },
      dependencies: { '@mmun/include': include, '@mmun/lib': include }, devDependencies: { '@mmun/cli': cli, '@mmun/plugin-kit': kit, typescript: TYPESCRIPT },
    }),
    'tsconfig.json': json({
      compilerOptions: {
        target: 'es2023', module: 'nodenext', rootDir: 'src', outDir: 'dist', declaration: true, sourceMap: true, strict: true, exactOptionalPropertyTypes: true,
        verbatimModuleSyntax: true, skipLibCheck: true, types: [],
      },
      include: ['src'],
    }),
    '.gitignore': 'dist\nnode_modules\n',
    'src/index.ts': driver(name),
    [`test/${name}.test.mjs`]: [
      "import { after, describe, it } from 'node:test';", "import { torture } from '@mmun/plugin-kit';", `import { ${exportOf(name)} } from '../dist/index.js';`, '',
      `torture(${exportOf(name)}, { tests: { describe, it, afterAll: after } });`, '',
    ].join('\n'),
    'README.md': readme(name, `mmun-plugin-${name}`),
  };
}

function driver(name: string): string {
  return template('src/index.ts').replace('export const mydevice:', `export const ${exportOf(name)}:`).replace("name: 'mydevice'", `name: '${name}'`).replace(' * mydevice:', ` * ${titleOf(name)}:`);
}

function readme(name: string, own: string): string {
  return template('README.md').replace('__PACKAGE__', own).replace('__DEVICE__', titleOf(name));
}

function template(path: string): string {
  return readFileSync(new URL(path, TEMPLATE), 'utf8');
}

/** `my-device` is exported as `myDevice`. */
function exportOf(name: string): string {
  const camel = name.replaceAll(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
  return RESERVED.has(camel) ? `${camel}Mmu` : camel;
}

/** Words that no variable can have for a name. */
const RESERVED: ReadonlySet<string> = new Set(
  'arguments await break case catch class const continue debugger default delete do else enum eval export extends false finally for function if implements import in instanceof interface let new null package private protected public return static super switch this throw true try typeof var void while with yield entry device stat torture'.split(' '),
);

function titleOf(name: string): string {
  return name[0]?.toUpperCase() + name.slice(1);
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}

function shown(path: string): string {
  const near = relative(process.cwd(), path);
  return near === '' ? '.' : near.startsWith('..') ? path : near;
}
