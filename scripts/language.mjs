/**
 * Lists retired words and phrases (test/language/phrases.ts) by file and line. Needs a build.
 *
 *     node scripts/language.mjs [PATH …]    only hits in files whose path begins so
 */
const { describeHit, findHits } = await import(
  new URL("../dist/test/language/hits.js", import.meta.url).href
);
const starts = process.argv.slice(2);
const hits = findHits().filter(
  ({ path }) => starts.length === 0 || starts.some((start) => path.startsWith(start)),
);
for (const hit of hits) process.stdout.write(`${describeHit(hit)}\n`);
process.stdout.write(`${hits.length} hits\n`);
