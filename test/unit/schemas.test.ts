import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type JsonSchema, SCHEMA_KEYWORDS, schemaFaults } from "../support/json-schema.ts";
import { packageRoot } from "../support/package-root.ts";
import { readSchema, schemaNames } from "../support/published-schemas.ts";

const source = join(packageRoot, "src");

/** Objects whose fields depend on the machine, the options or the device. */
const OPEN = /\.(environment|options|phasesUs|config|fields)$/;

/** Every schema inside of a schema, with its place. */
function* parts(schema: JsonSchema, at: string): Iterable<[JsonSchema, string]> {
  yield [schema, at];
  const { properties = {}, $defs = {}, items, oneOf = [], additionalProperties: rest } = schema;
  for (const [name, part] of Object.entries(properties)) yield* parts(part, `${at}.${name}`);
  for (const [name, part] of Object.entries($defs)) yield* parts(part, `${at}#${name}`);
  if (items) yield* parts(items, `${at}[]`);
  for (const [i, part] of oneOf.entries()) yield* parts(part, `${at}|${i}`);
  if (typeof rest === "object") yield* parts(rest, `${at}.*`);
}

const all = schemaNames().flatMap((name) => [...parts(readSchema(name), name)]);

test("the schemas use no keyword that the tests do not evaluate", () => {
  assert.ok(all.length > 200, `${all.length} schemas`);
  for (const [schema, at] of all) {
    for (const keyword of Object.keys(schema)) assert.ok(SCHEMA_KEYWORDS.has(keyword), at);
  }
});

test("every object of the schemas is closed, but for maps whose keys are data", () => {
  for (const [{ type, additionalProperties: rest }, at] of all) {
    if ([type].flat().includes("object")) assert.equal(rest !== false, OPEN.test(at), at);
  }
});

/** Documents of lines: the first line carries both. */
const LINES = new Set(["trace"]);

test("a document carries the version of its schema and its kind", () => {
  for (const name of schemaNames().filter((each) => each !== "matrix-targets")) {
    const root = readSchema(name);
    const choices = root.oneOf ?? [root];
    for (const { required = [], properties = {} } of LINES.has(name)
      ? choices.slice(0, 1)
      : choices) {
      assert.deepEqual(properties["schemaVersion"], { const: 1 }, name);
      assert.deepEqual(properties["kind"], { const: name });
      assert.ok(required.includes("schemaVersion") && required.includes("kind"), name);
    }
  }
});

test("every kind of document that the code writes has a schema, and every schema is written", () => {
  const written = new Set<string>();
  for (const path of readdirSync(source, { recursive: true, encoding: "utf8" })) {
    if (!path.endsWith(".ts")) continue;
    const text = readFileSync(join(source, path), "utf8");
    for (const [, kind = ""] of text.matchAll(
      /schemaVersion: 1[,;]\s*(?:readonly )?kind: "([^"]+)"/g,
    ))
      written.add(kind);
  }
  const published = schemaNames().filter((name) => name !== "matrix-targets");
  assert.deepEqual([...written].sort(), published);
});

test("a field that is added, removed or of another type is a fault", () => {
  const install = [
    { distribution: "debian", command: "apt-get install qemu" },
    { distribution: "centos" },
  ];
  const [name, purpose, detail] = ["KVM", "guests", "missing"];
  const finding = { name, ok: false, required: false, purpose, detail, install, remedy: null };
  const document = { schemaVersion: 1, kind: "check", ok: true, findings: [finding] };
  const faults = (change: object): string[] =>
    schemaFaults(readSchema("check"), { ...document, ...change });
  assert.deepEqual(faults({}), []);
  assert.deepEqual(faults({ more: 1 }), ["$: more is unknown"]);
  assert.deepEqual(faults({ ok: "yes" }), ["$.ok: is not of type boolean"]);
  const { name: _, ...nameless } = finding;
  assert.deepEqual(faults({ findings: [nameless] }), ["$.findings[0]: name is missing"]);
  const sold = [{ distribution: "debian", price: 0 }];
  assert.deepEqual(faults({ findings: [{ ...finding, install: sold }] }), [
    "$.findings[0].install[0]: price is unknown",
  ]);
});

test("a list of targets has a command or a socket for each, not both", () => {
  const faults = (...targets: object[]): string[] =>
    schemaFaults(readSchema("matrix-targets"), { targets });
  assert.deepEqual(faults({ name: "a", exec: "x {socket}" }, { name: "b", socket: "s" }), []);
  assert.match(faults({ name: "a" }).join("\n"), /fits 0 of 2 choices/);
  assert.match(faults({ name: "a", exec: "x", socket: "s" }).join("\n"), /fits 0 of 2/);
  assert.deepEqual(faults(), ["$.targets: has 0 items"]);
});
