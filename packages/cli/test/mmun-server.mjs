// The built command, loaded once: runs one command line after the other, each as a process of its own would see it that
// writes into a pipe. What concerns the process itself (signals, the environment, a terminal) is not asked of it.
import pc from 'picocolors';

/** Its types would be those of a bundle: these are the source's. @type {Promise<typeof import('../src/main.js')>} */
const program = import(new URL('../dist/main.js', import.meta.url).href);
const plain = pc.createColors(false);
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
    out: (line) => void (out += `${line}\n`), note: (line) => void (err += `${line}\n`),
    paint: plain, notePaint: plain, width: 80, isInteractive: false, interrupt: new AbortController().signal,
  });
  process.send?.({ id, code, out, err });
}
