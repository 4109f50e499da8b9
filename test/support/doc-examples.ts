import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { packageRoot } from "./package-root.ts";
import { apiReports } from "../reference/api.ts";

/** An example in the doc comment of a class. */
export interface DocExample {
  readonly name: string;
  /** TypeScript, with its imports. */
  readonly code: string;
}

const DOCUMENTED_CLASS = /\/\*\*((?:(?!\*\/)[\s\S])*)\*\/\nexport (?:abstract )?class (\w+)/g;
const EXAMPLE = /@example\n```ts\n([\s\S]*?)```/;

/** Returns the example of each class that the package exports; of a class without one, no code. */
export function classExamples(): DocExample[] {
  const surface = Object.values(apiReports).flatMap((report) => [
    ...report().matchAll(/^export (?:abstract )?class (\w+)/gm),
  ]);
  const exported = new Set(surface.map(([, name]) => name));
  return readdirSync(join(packageRoot, "src"), { recursive: true, encoding: "utf8" })
    .filter((path) => path.endsWith(".ts"))
    .flatMap((path) => {
      const text = readFileSync(join(packageRoot, "src", path), "utf8");
      return [...text.matchAll(DOCUMENTED_CLASS)]
        .filter(([, , name = ""]) => exported.has(name))
        .map(([, comment = "", name = ""]) => {
          const lines = comment.replaceAll(/^ \* ?/gm, "");
          return { name, code: EXAMPLE.exec(lines)?.[1] ?? "" };
        });
    });
}
