/// <reference lib="dom" />
/// <reference lib="dom.iterable" />
import type { PageData } from '../data.js';
import { showCounterexample } from './counterexample.js';

const data = JSON.parse(document.getElementById('data')?.textContent ?? 'null') as PageData;
const page = document.getElementById('page') as HTMLElement;

showCounterexample(page, data);
