import { blockKind } from "../../../../src/endpoints/devices/block/kind.ts";
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { isListening, listenerProcessId } from "../../../../src/core/os/index.ts";
import {
  ProgramTarget,
  knownDevice,
  survey,
  timesOf,
} from "../../../../src/lab/conformance/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { needsNamespaces, unsharing } from "../../../support/namespaces.ts";
import { temporaryFolder } from "../../support/folder.ts";

guardLeaks();

const skip = needsNamespaces();
const backend = `${process.execPath} '${fileURLToPath(new URL("../../support/failing-backend.js", import.meta.url))}'`;
/** No process has it: it is above the largest one. */
const NO_PID = 4_194_304;

const commands: readonly (readonly [what: string, command: string])[] = [
  ["another network namespace", `${unsharing("--net").join(" ")} ${backend} {socket}`],
  [
    "the network namespace of a child",
    `${unsharing("--net", "--fork", "--kill-child").join(" ")} ${backend} {socket}`,
  ],
  [
    "a mount namespace in which its folder is another one",
    `${unsharing("--mount").join(" ")} sh -c 'mount -t tmpfs none "$1" && exec ${backend.replaceAll("'", '"')} "$2"' sh {dir} {socket}`,
  ],
  [
    "a network and a mount namespace of a child",
    `${unsharing("--net", "--mount", "--fork", "--kill-child").join(" ")} sh -c 'mount -t tmpfs none "$1" && exec ${backend.replaceAll("'", '"')} "$2"' sh {dir} {socket}`,
  ],
];

for (const [what, command] of commands) {
  test(`a program that listens in ${what} is found and judged`, { skip }, async (t) => {
    const target = new ProgramTarget(command, { timeoutMs: 20_000 });
    t.after(async () => target.close());
    const facts = await survey(target, timesOf(), () => knownDevice(blockKind));
    assert.notEqual(facts.virtio, 0n);
  });
}

test(
  "a listener in a namespace of no child is found by its socket, where that is seen",
  { skip },
  async (t) => {
    const path = join(temporaryFolder(t), "s");
    const [program = "", ...words] = unsharing("--net", process.execPath, "-e");
    const script = `require("node:net").createServer().listen(${JSON.stringify(path)}, () => console.log("listening"))`;
    const child = spawn(program, [...words, script], { stdio: ["ignore", "pipe", "inherit"] });
    const ended = once(child, "exit");
    t.after(async () => {
      child.kill("SIGKILL");
      await ended;
    });
    await once(child.stdout, "data");
    assert.equal(isListening(path), false, "it is not in the table of our namespace");
    assert.equal(isListening(path, NO_PID), true);
    assert.equal(isListening(path, child.pid), true);
    assert.equal(listenerProcessId(path), child.pid);
    assert.equal(isListening(`${path}-other`, child.pid), false);
    child.kill("SIGKILL");
    await ended;
    assert.equal(existsSync(path), true, "it left its socket");
    assert.equal(isListening(path, NO_PID), false);
  },
);
