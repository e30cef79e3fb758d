/** A page is one file: markup, style, script and data. It opens from disk and asks nobody for anything. */
import script from '#app';
import style from '#style';
import type { PageData } from './data.js';

export function renderPage(data: PageData): string {
  return [
    '<!doctype html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<meta name="viewport" content="width=device-width, initial-scale=1">',
    `<title>${escapeText(titleOf(data))}</title>`,
    `<style>${style}</style>`,
    '</head>',
    '<body>',
    '<noscript>This page draws with a script; the same facts are in the output of the command.</noscript>',
    '<main id="page"></main>',
    `<script type="application/json" id="data">${escapeJson(JSON.stringify(data))}</script>`,
    `<script>${script}</script>`,
    '</body>',
    '</html>',
    '',
  ].join('\n');
}

function titleOf(data: PageData): string {
  switch (data.kind) {
    case 'counterexample': return `${data.code}: ${data.race} (mmun)`;
    case 'run': return `${data.name}: ${data.config} (mmun)`;
    case 'comparison': return `${data.title}: designs compared (mmun)`;
  }
}

function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}

/** No text of the data can end the element that holds it. */
function escapeJson(json: string): string {
  return json.replaceAll('<', '\\u003c').replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029');
}
