import { test } from "node:test";
import { enumerationCases } from "../../../../src/lab/selftest/basic/enumerations.ts";
import { structureCases } from "../../../../src/lab/selftest/basic/structures.ts";
import { TestContext } from "../../../../src/lab/selftest/context.ts";

/** These cases need no folder, no back-end and no clean-up. */
const context = new TestContext({
  options: { clients: 0, rounds: 0, connections: 0, requirePrograms: true },
  signal: new AbortController().signal,
  folder: "/nonexistent",
});

for (const { title, run } of [...structureCases, ...enumerationCases]) {
  test(title, async () => run(context));
}
