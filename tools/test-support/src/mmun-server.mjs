// The built command, loaded once: runs one command line after the other, each as a process of its own would see it that
// writes into a pipe. What concerns the process itself (signals, the environment, a terminal) is not asked of it.

// as packages/cli/bin/mmun.mjs does it: before anything is loaded
process.setSourceMapsEnabled(true);

/** @type {Promise<{ main(argv: readonly string[], terminal: object): Promise<number> }>} */
const program = import(new URL('../../../packages/cli/dist/main.js', import.meta.url).href);
/** Every colour is none. */
const plain = new Proxy({}, { get: () => String });
const home = process.cwd();

/** @type {Promise<void>} */
let last = Promise.resolve();

process.on('message', (/** @type {{ id: number, args: string[], cwd?: string }} */ request) => {
  last = last.then(() => answer(request));
});

/** @param {{ id: number, args: string[], cwd?: string }} request */
async function answer({ id, args, cwd = home }) {
  let [out, err] = ['', ''];
  const { main } = await program;
  process.chdir(cwd);
  const code = await main(args, {
    out: (/** @type {string} */ line) => void (out += `${line}\n`), note: (/** @type {string} */ line) => void (err += `${line}\n`),
    paint: plain, notePaint: plain, width: 80, isInteractive: false, interrupt: new AbortController().signal,
  });
  process.send?.({ id, code, out, err });
}
