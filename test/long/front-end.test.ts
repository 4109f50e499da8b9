/** The command of our client as a front-end: every check, also those that start it many times. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { commandPath, Workspace } from "../integration/support/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";

guardLeaks();

test("bench block passes every check of a front-end", async (t) => {
  const workspace = new Workspace(t);
  const client = `${process.execPath} ${commandPath} bench block {socket} --runtime 60m`;
  const words = ["conform", "--front-end", "--exec", client, "--fail-on", "warn"];
  const { code, stdout } = await workspace.run(words);
  assert.equal(code, 0, stdout);
  assert.match(stdout, /^PASS +fe\/27/m);
});
