/**
 * Lists retired words and phrases (test/language/phrases.ts) by file and line. Needs a build.
 *
 *     node scripts/language.mjs [ROOM …]    hits whose room or path begins so; without: counts
 *     node scripts/language.mjs --update    writes the counts of today into test/language/allowed.json
 */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const { countByRoom, findHits } = await import(
  new URL("../dist/test/language/hits.js", import.meta.url).href
);
const table = fileURLToPath(new URL("../test/language/allowed.json", import.meta.url));
const words = process.argv.slice(2);
const hits = findHits();
const total = (counts) => Object.values(counts).reduce((sum, count) => sum + count, 0);

if (words.includes("--update")) {
  const counts = countByRoom(hits);
  const before = total(JSON.parse(readFileSync(table, "utf8")));
  if (total(counts) > before && !words.includes("--force")) {
    process.stderr.write(`${total(counts)} hits, ${before} before: the number may only fall\n`);
    process.exitCode = 1;
  } else {
    writeFileSync(table, `${JSON.stringify(counts, undefined, 2)}\n`);
  }
} else if (words.length > 0) {
  const chosen = hits.filter(({ room, path }) =>
    words.some((word) => room.startsWith(word) || path.startsWith(word)),
  );
  for (const { path, line, phrase, text } of chosen) {
    process.stdout.write(`${path}:${line}: ${phrase.name} (${phrase.use}): ${text}\n`);
  }
  process.stdout.write(`${chosen.length} hits\n`);
} else {
  for (const [room, count] of Object.entries(countByRoom(hits))) {
    process.stdout.write(`${String(count).padStart(5)} ${room}\n`);
  }
  process.stdout.write(`${String(hits.length).padStart(5)} in all\n`);
}
