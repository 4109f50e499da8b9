// Writes the tables of src/import-law.json into ARCHITECTURE.md. Needs a build.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const built = new URL("../dist/test/architecture/law.js", import.meta.url);
const { lawAsMarkdown, readLaw } = await import(built.href);
const path = fileURLToPath(new URL("../ARCHITECTURE.md", import.meta.url));
const page = readFileSync(path, "utf8");
const marked = /(<!-- law: [^>]*-->\n\n)[\s\S]*?(\n?<!-- \/law -->)/;
writeFileSync(
  path,
  page.replace(
    marked,
    (_, head, foot) => `${head}${lawAsMarkdown(readLaw())}\n${foot.trimStart()}`,
  ),
);
