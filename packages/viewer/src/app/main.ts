/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import type { PageData } from '../data.js';
import { showComparison } from './comparison.js';
import { showCounterexample } from './counterexample.js';
import { showRun } from './run.js';

const data = JSON.parse(document.getElementById('data')?.textContent ?? 'null') as PageData;
const page = document.getElementById('page') as HTMLElement;

switch (data.kind) {
  case 'counterexample': showCounterexample(page, data); break;
  case 'run': showRun(page, data); break;
  case 'comparison': showComparison(page, data); break;
}
