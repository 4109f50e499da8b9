/**
 * `npm run docs`: writes docs/reference and the tables of ARCHITECTURE.md from the code and the
 * tests. Needs the build.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
process.chdir(root);

const { referencePages } = await import("../dist/test/reference/pages.js");
const { coveragePage } = await import("../dist/test/coverage/page.js");
const { conformanceDocument } =
  await import("../dist/test/component/lab/conformance/support/document.js");
const pages = {
  ...referencePages,
  "docs/reference/checks.md": conformanceDocument,
  "docs/reference/protocol-coverage.md": coveragePage,
  "ARCHITECTURE.md": architecture,
};
mkdirSync("docs/reference/api", { recursive: true });
for (const [path, make] of Object.entries(pages)) writeFileSync(path, await make());

/** Returns ARCHITECTURE.md with the tables of src/import-law.json and the list of files. */
async function architecture() {
  const { lawAsMarkdown, readLaw } = await import("../dist/test/architecture/law.js");
  const { filesAsMarkdown } = await import("../dist/test/architecture/files.js");
  const page = withPart(readFileSync("ARCHITECTURE.md", "utf8"), "law", lawAsMarkdown(readLaw()));
  return withPart(page, "files", filesAsMarkdown());
}

/** Replaces what is between the two markers of a part. */
function withPart(page, name, text) {
  const marked = new RegExp(`(<!-- ${name}: [^>]*-->\n\n)[^]*?(\n<!-- /${name} -->)`);
  if (!marked.test(page)) throw new Error(`no markers for ${name}`);
  return page.replace(marked, (_, head, foot) => `${head}${text}${foot}`);
}
