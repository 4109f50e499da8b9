import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type JsonSchema, schemaFaults } from "./json-schema.ts";
import { packageRoot } from "./package-root.ts";

const folder = join(packageRoot, "docs", "reference", "schemas");
const SUFFIX = ".schema.json";

/** Names of the schemas in docs/reference/schemas, which are the `kind` of the documents. */
export function schemaNames(): string[] {
  return readdirSync(folder)
    .filter((file) => file.endsWith(SUFFIX))
    .map((file) => file.slice(0, -SUFFIX.length))
    .sort();
}

export function readSchema(name: string): JsonSchema {
  const schema: JsonSchema = JSON.parse(readFileSync(join(folder, `${name}${SUFFIX}`), "utf8"));
  return schema;
}

/**
 * Parses the JSON document that a command wrote, and asserts that it fits the schema of its kind.
 *
 * @throws {AssertionError} a field is missing, unknown or of the wrong type
 */
export function parseDocument<T = Record<string, unknown>>(kind: string, text: string): T {
  const value: T = JSON.parse(text);
  assert.deepEqual(schemaFaults(readSchema(kind), value), []);
  return value;
}
