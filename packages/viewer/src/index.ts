export { renderPage } from './page.js';
export type { CounterexampleData, PageData, PageMoment, PageStep, PageView } from './data.js';
