#!/usr/bin/env node
import { existsSync } from 'node:fs';

const program = new URL('../dist/main.js', import.meta.url);

// before anything is loaded that a counterexample may name: maps are taken up when a module is
process.setSourceMapsEnabled(true);

if (existsSync(program)) {
  const { main } = await import(program.href);
  process.exitCode = await main(process.argv.slice(2));
} else {
  process.stderr.write('mmun: not built yet: run `npm run build` first\n');
  process.exitCode = 2;
}
