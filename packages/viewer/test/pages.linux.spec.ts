/** Every kind of page, made by the built command and walked through in a real browser. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { later } from '@mmun/test-support';
import type { Browser, Page } from 'playwright-core';
import { HAS_BROWSER, launch, newFolder, open, removeFolders } from './browser.js';
import { manyEvents } from './many-events.js';

const ROOT = resolve(__dirname, '../../..');
const MMUN = join(ROOT, 'packages/cli/bin/mmun.mjs');

function make(args: readonly string[]): string {
  const file = join(newFolder(), 'page.html');
  const { stderr } = spawnSync(process.execPath, [MMUN, ...args, '--report', file], { encoding: 'utf8', cwd: ROOT });
  if (!existsSync(file)) throw new Error(stderr);
  return file;
}

/** Elements that reach beyond what the page shows, or texts that lie over one another. */
async function misplaced(page: Page, selector: string): Promise<string[]> {
  return page.evaluate((wanted) => {
    const boxes = [...document.querySelectorAll(wanted)].filter((element) => element.getBoundingClientRect().width > 0)
      .map((element) => ({ text: element.textContent.slice(0, 40), box: element.getBoundingClientRect() }));
    const out = boxes.filter(({ box }) => box.right > document.documentElement.clientWidth + 1 || box.left < -1).map(({ text }) => `cut: ${text}`);
    boxes.forEach((a, i) => {
      for (const b of boxes.slice(i + 1)) {
        const [x, y] = [Math.min(a.box.right, b.box.right) - Math.max(a.box.left, b.box.left), Math.min(a.box.bottom, b.box.bottom) - Math.max(a.box.top, b.box.top)];
        if (x > 1.5 && y > 1.5) out.push(`over one another: ${a.text} | ${b.text}`);
      }
    });
    return out;
  }, selector);
}

/** A canvas has something on it: more than a hundred of its pixels differ from its corner. */
function isDrawn(page: Page, index: number): Promise<boolean> {
  return page.evaluate((at) => {
    const canvas = document.querySelectorAll('canvas')[at] as HTMLCanvasElement;
    const { data } = (canvas.getContext('2d') as CanvasRenderingContext2D).getImageData(0, 0, canvas.width, canvas.height);
    let drawn = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i] !== 0) drawn++;
    return drawn > 100;
  }, index);
}

const why = !HAS_BROWSER ? '/usr/bin/chromium is not on this machine (apt-get install chromium)' : later('it takes a quarter of a minute: MMUN_SPECS=rest npx jest packages/viewer', '');
if (why !== '') process.stderr.write(`SKIPPED: pages in a browser: ${why}\n`);

(why === '' ? describe : describe.skip)('pages in a browser', () => {
  let browser: Browser;
  beforeAll(async () => { browser = await launch(); }, 60_000);
  afterAll(async () => {
    await browser?.close();
    removeFolders();
  });

  describe('a counterexample', () => {
    let file: string;
    beforeAll(() => { file = make(['check', 'munmap-read']); }, 60_000);

    it('opens from disk, asks nobody for anything and shows the entry that did the harm', async () => {
      const { page, errors, requests } = await open(browser, file);
      expect(await page.locator('h1').innerText()).toMatch(/^stale-translation kvm reads 0x1000 of mm 1 and reaches frame \d+, which is free$/);
      expect(await page.locator('.holder.breach').textContent()).toMatch(/^kvm✗ frame \d+ is free/);
      expect(await page.locator('.arrow.breach').count()).toBe(1);
      expect(await page.locator('.step.breach').count()).toBe(1);
      expect(await misplaced(page, '.step, .lane-name, .holder, .frame, h1, .why, .again, button')).toEqual([]);
      expect([errors, requests]).toEqual([[], []]);
      await page.close();
    });

    it('is walked by keys, slider and clicks, and each step says what disagrees', async () => {
      const { page, errors } = await open(browser, file);
      const steps = await page.locator('.step').count();
      const where = page.locator('.where');
      await page.keyboard.press('Home');
      expect(await where.innerText()).toBe('before the first step');
      expect(await page.locator('.holder.breach, .holder.stale').count()).toBe(0);
      for (let step = 1; step <= steps; step++) await page.keyboard.press('ArrowDown');
      expect(await where.innerText()).toBe(`step ${steps} of ${steps}: dev0`);
      expect(await page.locator('.said').innerText()).toMatch(/^kvm, page 0x1000: frame \d+ is free$/);
      await page.locator('input[type=range]').fill('3');
      expect(await where.innerText()).toMatch(/^step 3 of /);
      await page.locator('.step').nth(9).click();
      expect(await where.innerText()).toMatch(/^step 10 of /);
      expect(await page.locator('.step.now').count()).toBe(1);
      expect(errors).toEqual([]);
      await page.close();
    });

    it('tells in a few lines what made the difference, and goes there', async () => {
      const { page, errors } = await open(browser, file);
      const rows = await page.locator('.story li').allInnerTexts();
      expect(rows.length).toBeLessThan((await page.locator('.step').count()) / 2);
      const said = rows.map((row) => row.replaceAll(/\s+/g, ' ')).join('\n');
      expect(said).toMatch(/cpu0 changes the pte of 0x1000 .*\n.*the notifier is called\n[^]*frame \d+ is free\n[^]*dev0 \+ kvm entry 0x1000 to frame \d+[^]*stale-translation$/);
      await page.locator('.story li').first().click();
      expect(await page.locator('.where').innerText()).toContain(`step ${await page.locator('.story li').first().getAttribute('data-step') ?? ''} of `);
      expect(await misplaced(page, '.story li, .holder, .frame')).toEqual([]);
      expect(errors).toEqual([]);
      await page.close();
    });

    it('shows the stale entry before the schedule on a narrow screen and on paper', async () => {
      const { page } = await open(browser, file, { width: 700, height: 900 });
      const isFirst = (): Promise<boolean> => page.evaluate(() => {
        const topOf = (selector: string): number => (document.querySelector(selector) as Element).getBoundingClientRect().top;
        return topOf('.holder.breach') < topOf('.step');
      });
      expect(await isFirst()).toBe(true);
      await page.emulateMedia({ media: 'print' });
      expect(await isFirst()).toBe(true);
      await page.close();
    });

    it('fits its screen, whatever the screen: no text leaves its box, and nothing scrolls sideways', async () => {
      // "the page is in frame 2 now" is the longest that a breach says of itself in the catalogue
      const long = make(['check', 'cow-read']);
      for (const size of [{ width: 1400, height: 900 }, { width: 800, height: 600 }, { width: 390, height: 844 }]) {
        for (const made of [file, long]) {
          const { page } = await open(browser, made, size);
          const wrong = await page.evaluate(() => {
            const texts = [...document.querySelectorAll<SVGTextElement>('.holder text, .frame text')].map((text) => ({ said: text.textContent, ends: text.getBBox().x + text.getBBox().width, box: (text.parentElement as Element).querySelector('rect') as SVGRectElement }));
            return [...texts.filter(({ ends, box }) => ends > box.x.baseVal.value + box.width.baseVal.value).map(({ said }) => said), ...(document.documentElement.scrollWidth > document.documentElement.clientWidth ? ['sideways'] : [])];
          });
          expect([size.width, wrong]).toEqual([size.width, []]);
          expect(await misplaced(page, '.legend > span')).toEqual([]);
          await page.close();
        }
      }
    }, 60_000);

    it('tells locks apart: none of those of one schedule looks like another', async () => {
      const { page } = await open(browser, file);
      const looks = await page.locator('.legend .swatch').evaluateAll((swatches) => swatches.map((swatch) => { const { background, border } = getComputedStyle(swatch); return `${background} ${border}`; }));
      expect(looks.length).toBeGreaterThan(4);
      expect(new Set(looks).size).toBe(looks.length);
      await page.close();
    });

    it('prints on white paper, in the dark too', async () => {
      const { page } = await open(browser, file);
      await page.emulateMedia({ colorScheme: 'dark', media: 'print' });
      expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe('rgb(255, 255, 255)');
      await page.close();
    });

    it('is readable when narrow, and in the dark', async () => {
      const { page, errors } = await open(browser, file, { width: 420, height: 800 });
      await page.emulateMedia({ colorScheme: 'dark' });
      expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).not.toBe('rgb(255, 255, 255)');
      expect(await misplaced(page, '.holder, .frame, h1, .why')).toEqual([]);
      expect(errors).toEqual([]);
      await page.close();
    });
  });

  it('a run shows its processes, what kvm was told, and the address space; keys zoom and walk', async () => {
    const { page, errors, requests } = await open(browser, make(['run', 'samples/demo', '--plugin', 'kvm']));
    expect(await page.locator('h1').innerText()).toContain('bash -c seq 20000');
    expect(await page.locator('.why').innerText()).toMatch(/^equal: 5 processes/);
    expect([await isDrawn(page, 0), await isDrawn(page, 1)]).toEqual([true, true]);
    expect(await page.locator('.told').innerText()).toMatch(/event \d+ of 2157, line \d+/);
    expect(await page.locator('.told-plugin').innerText()).toMatch(/^kvm: told invalidate_pages?.*; dropped [1-9]/);
    const first = await page.locator('.told').innerText();
    for (const key of ['+', '+', '+', 'n', 'ArrowRight', 'Shift+ArrowRight', '-']) await page.keyboard.press(key);
    expect(await page.locator('.told').innerText()).not.toBe(first);
    await page.locator('canvas').first().hover();
    await page.mouse.wheel(0, -400);
    await page.locator('select').selectOption({ index: 2 });
    expect([await isDrawn(page, 0), await isDrawn(page, 1)]).toEqual([true, true]);
    expect([errors, requests]).toEqual([[], []]);
    await page.close();
  }, 60_000);

  it('a hundred thousand events are drawn while a hand is moving', async () => {
    const { renderPage } = (await import(pathToFileURL(join(ROOT, 'packages/viewer/dist/index.js')).href)) as typeof import('@mmun/viewer');
    const file = join(newFolder(), 'many.html');
    writeFileSync(file, renderPage(manyEvents(100_000)));
    const { page, errors } = await open(browser, file);
    const frames = await page.evaluate(async () => {
      const canvas = document.querySelector('canvas') as HTMLCanvasElement;
      const { left, top } = canvas.getBoundingClientRect();
      let drawn = 0;
      for (let i = 0; i < 20; i++) {
        canvas.dispatchEvent(new WheelEvent('wheel', { deltaY: i < 10 ? -100 : 100, clientX: left + 600, clientY: top + 10, bubbles: true, cancelable: true }));
        await new Promise((done) => { requestAnimationFrame(done); });
        drawn++;
      }
      return drawn;
    });
    expect(frames).toBe(20);
    expect(await isDrawn(page, 0)).toBe(true);
    expect(errors).toEqual([]);
    await page.close();
  }, 60_000);

  it('a comparison has a column for each design and one scale a chart', async () => {
    const { page, errors, requests } = await open(browser, make(['compare', 'samples/true']));
    expect(await page.locator('.group h2').allInnerTexts()).toEqual(['Calls of the notifier', 'What kvm did', 'Calls, by the lock that was held', 'Pages told of, by the lock that was held']);
    expect(await page.locator('.group thead').first().innerText()).toMatch(/v5\s+range\s+off/);
    expect(await page.locator('td.none').count()).toBeGreaterThan(3);
    expect(await misplaced(page, 'th, .value, h2')).toEqual([]);
    expect([errors, requests]).toEqual([[], []]);
    await page.close();
  }, 60_000);
});
