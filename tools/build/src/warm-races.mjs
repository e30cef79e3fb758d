// Links the catalogue with the images that races are checked with. The first to link rewrites all sources, which takes many
// seconds: with the build, and beside it, nobody waits for that.
import { linkRace } from './link-race.mjs';

const IMAGES = ['toy', 'toy-range', 'toy-off'];
for (const image of IMAGES) await linkRace({ image });
console.log(`races: linked with ${IMAGES.join(', ')}`);
