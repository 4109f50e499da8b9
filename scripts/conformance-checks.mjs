// Writes docs/conformance-checks.md: every check with its mutant. Needs a build.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

const built = new URL(
  "../dist/test/component/lab/conformance/support/document.js",
  import.meta.url,
);
const { conformanceDocument } = await import(built.href);
const path = fileURLToPath(new URL("../docs/conformance-checks.md", import.meta.url));
mkdirSync(dirname(path), { recursive: true });
writeFileSync(path, conformanceDocument());
