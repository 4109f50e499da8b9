/**
 * Writes docs/protocol-coverage.md and docs/hostile-input.md from the protocol table and the tests. Needs the build.
 *
 *     npm run docs:coverage
 */
import { writeFileSync } from "node:fs";

const { coveragePage, hostilePage } = await import("../dist/test/coverage/page.js");
writeFileSync("docs/protocol-coverage.md", coveragePage());
writeFileSync("docs/hostile-input.md", hostilePage());
