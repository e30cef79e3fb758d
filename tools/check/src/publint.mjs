// Every published package as its consumers will see it: entry points that exist, in the format they claim.
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import { workspace } from '@mmun/build/workspace';

const published = workspace().filter(({ manifest }) => manifest.private !== true);
// of a package only what is in dist and src is published; a tool's tests are files too
const lines = await Promise.all(
  published.map(async ({ folder, directory, manifest }) => {
    const { messages } = await publint({ pkgDir: directory, strict: true, pack: folder.startsWith('tools/') ? 'npm' : false });
    return messages.map((message) => `${folder}/package.json: ${message.type}: ${formatMessage(message, manifest, { color: false })}`);
  }),
);
for (const line of lines.flat()) console.log(line);
console.log(`${published.length} published packages, ${lines.flat().length} complaints`);
process.exitCode = lines.flat().length > 0 ? 1 : 0;
