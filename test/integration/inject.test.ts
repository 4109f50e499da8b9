import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { guardLeaks } from "../support/leak-guard.ts";
import { schemaFaults } from "../support/json-schema.ts";
import { readSchema } from "../support/published-schemas.ts";
import { commandPath, Workspace } from "./support/index.ts";

guardLeaks();

const US = `'${process.execPath}' '${commandPath}'`;
const BACK_END = ["--exec-back-end", `${US} serve block --socket {socket} --size 1M`] as const;
const FRONT_END = ["--exec-front-end", `${US} io block id {socket}`] as const;

test("--inject changes what the other side gets, and marks it in text and in the capture", async (t) => {
  const space = new Workspace(t);
  const capture = space.path("faulty.jsonl");
  const fault = "GET_CONFIG reply:set byte.14=1";
  const args = ["trace", ...BACK_END, ...FRONT_END, "--inject", fault, "-w", capture];
  const { code, stdout, stderr } = await space.run([...args, "--filter", "action"]);
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^ +\d+ #0 -- message \d+: injected: set byte\.14=1$/m);
  assert.match(stdout, /^injected 1 time: GET_CONFIG reply:set byte\.14=1$/m);
  const schema = readSchema("trace");
  const lines = readFileSync(capture, "utf8").trim().split("\n");
  const actions = lines.filter((line) => line.includes('"event":"action"'));
  assert.equal(actions.length, 1);
  assert.deepEqual(schemaFaults(schema, JSON.parse(actions[0] ?? "")), []);
  const shown = await space.run(["capture", "show", capture, "--json", "--filter", "action"]);
  assert.ok(shown.stdout.split("\n").includes(actions[0] ?? ""));
});

test("the JSON of a trace counts the faults", async (t) => {
  const space = new Workspace(t);
  const fault = "SET_OWNER:duplicate";
  const { stdout } = await space.run([
    "trace",
    ...BACK_END,
    ...FRONT_END,
    "--json",
    "--inject",
    fault,
    "--inject",
    "SEND_RARP:drop",
  ]);
  const end: Record<string, unknown> = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
  assert.deepEqual(schemaFaults(readSchema("trace"), end), []);
  assert.deepEqual(end["injected"], [
    { fault, times: 1 },
    { fault: "SEND_RARP:drop", times: 0 },
  ]);
});

test("kill=back kills the program that trace started", async (t) => {
  const space = new Workspace(t);
  const args = ["--inject", "SET_VRING_KICK:kill=back:when=1"];
  const { stdout } = await space.run(["trace", ...BACK_END, ...FRONT_END, ...args]);
  assert.match(stdout, /injected: the back-end was killed/);
  assert.match(stdout, /^back-end node \(pid \d+\) was ended by SIGKILL$/m);
});

const wrong: readonly (readonly [text: string, message: RegExp])[] = [
  ["SET_OWNER:vanish", /--inject: .*"vanish" is not an action; choose from delay=DURATION/],
  ["SET_OWNER:kill=front", /kill=front needs --exec-front-end/],
];

for (const [text, message] of wrong) {
  test(`--inject ${text} is refused`, async (t) => {
    const args = ["trace", "--listen", "a", "--connect", "b", "--inject", text];
    const { code, stderr } = await new Workspace(t).run(args);
    assert.equal(code, 2);
    assert.match(stderr, message);
  });
}

test("--help-inject lists every action", async (t) => {
  const { code, stdout } = await new Workspace(t).run(["trace", "--help-inject"]);
  assert.equal(code, 0);
  for (const word of ["delay=", "drop", "swap-fd", "kill=front", "when=N"]) {
    assert.ok(stdout.includes(word), word);
  }
});

test("a kick that is not read is a hint, in text and in JSON", async (t) => {
  const space = new Workspace(t);
  const read = `${US} io block verify {socket} --length 64K --depth 1 --ring-mode event --io-timeout 500ms`;
  const both = [...BACK_END, "--exec-front-end", read];
  const args = ["trace", ...both, "--inject", "SET_VRING_KICK:swap-fd", "--json"];
  const { stdout } = await space.run(args);
  const end: Record<string, unknown> = JSON.parse(stdout.trim().split("\n").at(-1) ?? "");
  assert.deepEqual(schemaFaults(readSchema("trace"), end), []);
  const [hint, ...more] = end["hints"] as { ring: number; text: string }[];
  assert.equal(hint?.ring, 0);
  assert.match(hint?.text ?? "", /^1 chain not completed, and kick\.0 is not read \(count \d+\)/);
  assert.deepEqual(more, []);
  const well = await space.run(["trace", ...BACK_END, ...FRONT_END, "--quiet"]);
  assert.doesNotMatch(well.stdout, /hint/);
});
