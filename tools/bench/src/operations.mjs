// The operations that are timed. Each prepares a process, and a round does the operation once over all pages.

const PAGE = 4096;
const PAGES = 4096;
const LEN = PAGES * PAGE;
const BASE = 0x7e0000000000;
const PROT_READ = 1;
const PROT_RW = 3;
const PRIVATE_ANON_FIXED = 0x32;
const MADV_DONTNEED = 4;
const WRITE_FAULT = 6;
const READ_FAULT = 4;

/**
 * @typedef {import('@mmun/include').KernelImage<any>} Image
 * @typedef {{ image: Image, m: any }} Booted
 * @typedef {object} Operation
 * @property {string} name
 * @property {string} unit what one of `count` is
 * @property {number} count operations in one round
 * @property {(b: Booted) => void} before untimed, before each round
 * @property {(b: Booted) => void} round
 */

/** @param {Image} image @returns {Booted} a process with an empty address space */
export function bootProcess(image) {
  const config = { ...image.defaultConfig, nrFrames: 2 * PAGES + 64, nrTables: 256, nrVmas: 4096, nrInodes: 16, nrFiles: 16 };
  const m = image.boot(config);
  image.setCurrent(m, image.newProcess(m));
  return { image, m };
}

/** @param {Booted} b */
function map({ image, m }) {
  image.run(m, image.sysMmap(m, at(0), LEN, PROT_RW, PRIVATE_ANON_FIXED, /** @type {any} */ (0), 0));
}

/** @param {Booted} b @param {number} errorCode */
function touch({ image, m }, errorCode) {
  for (let i = 0; i < PAGES; i++) image.run(m, image.doPageFault(m, at(i), errorCode));
}

/** @param {number} page @returns {any} */
function at(page) {
  return BASE + page * PAGE;
}

/** @param {Booted} b @param {number} prot */
function protect({ image, m }, prot) {
  image.run(m, image.sysMprotect(m, at(0), LEN, prot));
}

/** @param {Booted} b */
function unmap({ image, m }) {
  image.run(m, image.sysMunmap(m, at(0), LEN));
}

/** @type {readonly Operation[]} */
export const OPERATIONS = [
  { name: 'anonymous write fault', unit: 'page', count: PAGES, before: (b) => { unmap(b); map(b); }, round: (b) => touch(b, WRITE_FAULT) },
  { name: 'anonymous read fault', unit: 'page', count: PAGES, before: (b) => { unmap(b); map(b); }, round: (b) => touch(b, READ_FAULT) },
  { name: 'munmap, touched', unit: 'page', count: PAGES, before: (b) => { map(b); touch(b, WRITE_FAULT); }, round: unmap },
  { name: 'mprotect, there and back', unit: 'page', count: 2 * PAGES, before: (b) => { map(b); touch(b, WRITE_FAULT); }, round: (b) => { protect(b, PROT_READ); protect(b, PROT_RW); } },
  {
    name: 'MADV_DONTNEED and refault', unit: 'page', count: PAGES, before: (b) => { map(b); touch(b, WRITE_FAULT); },
    round: (b) => { b.image.run(b.m, b.image.sysMadvise(b.m, at(0), LEN, MADV_DONTNEED)); touch(b, WRITE_FAULT); },
  },
  {
    name: 'mmap and munmap, untouched', unit: 'pair', count: 1000, before: unmap,
    round: ({ image, m }) => {
      for (let i = 0; i < 1000; i++) {
        image.run(m, image.sysMmap(m, at(0), PAGE, PROT_RW, PRIVATE_ANON_FIXED, /** @type {any} */ (0), 0));
        image.run(m, image.sysMunmap(m, at(0), PAGE));
      }
    },
  },
];
