// The `mappings` of a source map: https://tc39.es/ecma426/, base64 VLQ.

/** @typedef {readonly number[]} Segment column, and what is behind it: source, line and column there, and a name; all from 0 */

const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
const CONTINUES = 32;

/** @param {string} mappings @returns {Segment[][]} of each line */
export function decodeMappings(mappings) {
  const behind = [0, 0, 0, 0];
  return mappings.split(';').map((line) => {
    let column = 0;
    return line === '' ? [] : line.split(',').map((text) => {
      const [first = 0, ...rest] = numbersOf(text);
      column += first;
      return [column, ...rest.map((by, i) => (behind[i] = /** @type {number} */ (behind[i]) + by))];
    });
  });
}

/** @param {readonly (readonly Segment[])[]} lines @returns {string} */
export function encodeMappings(lines) {
  const behind = [0, 0, 0, 0];
  return lines.map((line) => {
    let last = 0;
    return line.map(([column = 0, ...rest]) => {
      const by = rest.map((value, i) => {
        const before = /** @type {number} */ (behind[i]);
        behind[i] = value;
        return value - before;
      });
      const text = [column - last, ...by].map(textOf).join('');
      last = column;
      return text;
    }).join(',');
  }).join(';');
}

/** @param {string} text @returns {number[]} */
function numbersOf(text) {
  const numbers = [];
  let value = 0;
  let shift = 0;
  for (const char of text) {
    const digit = DIGITS.indexOf(char);
    value += (digit & (CONTINUES - 1)) << shift;
    shift += 5;
    if ((digit & CONTINUES) !== 0) continue;
    numbers.push((value & 1) === 1 ? -(value >>> 1) : value >>> 1);
    value = shift = 0;
  }
  return numbers;
}

/** @param {number} number */
function textOf(number) {
  let value = number < 0 ? (-number << 1) | 1 : number << 1;
  let text = '';
  do {
    const digit = value & (CONTINUES - 1);
    value >>>= 5;
    text += DIGITS[value > 0 ? digit | CONTINUES : digit];
  } while (value > 0);
  return text;
}
