export { renderPage } from './page.js';
export type { ComparisonData, ComparisonGroup, CounterexampleData, PageData, PageMoment, PageStep, PageView, RunData, RunVma } from './data.js';
