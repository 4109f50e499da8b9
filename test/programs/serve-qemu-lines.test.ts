import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { type TestContext, test } from "node:test";
import { ManagedProcess } from "../../src/lab/programs/index.ts";
import { type Running, Workspace } from "../integration/support/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { readDocument } from "../support/markdown.ts";
import { needsBootRom } from "./support/index.ts";

guardLeaks();

const skip = needsBootRom();
const PAGE = "docs/guides/test-a-front-end.md";
const DEVICES = ["block", "net", "fs", "rng"] as const;
const BLOCK_BOOTS = /< VHOST_USER_SET_STATUS .*DRIVER_OK/;

/** What a document says of a machine: the command of QEMU, and what is added to it in prose. */
function linesOf(path: string) {
  const { blocks, prose } = readDocument(path);
  const machines = blocks.filter(({ text }) => /^qemu-system-x86_64 .*memory-backend/.test(text));
  const machine = machines.map(({ text }) => text.replaceAll("\\\n", " ").split(/\s+/));
  const inline = [...prose.matchAll(/`([^`\n]+)`/g)].map(([, text = ""]) => text);
  const added = inline.filter((text) => /^-chardev socket,.* -device /.test(text));
  const serves = inline.filter((text) => /^vhost-user serve \w+ --socket \w+\.sock\b/.test(text));
  return { machine, added, serves: [...new Set(serves)] };
}

/** QEMU's command line in the help of `serve`. */
async function lineOfHelp(space: Workspace, device: string): Promise<string[]> {
  const { stdout } = await space.run(["serve", device, "--help"]);
  const [, line = ""] = /\$ (qemu-system-x86_64 (?:.*\\\n)*.*)/.exec(stdout) ?? [];
  return line.replaceAll("\\\n", " ").split(/\s+/);
}

/** Starts every device as the guide says. */
async function serveAll(t: TestContext) {
  const space = new Workspace(t);
  space.file("disk.img", Buffer.alloc(1 << 20));
  mkdirSync(space.path("shared"));
  const { serves } = linesOf(PAGE);
  const servers = await Promise.all(
    DEVICES.map(async (device) => {
      const line = serves.find((each) => each.startsWith(`vhost-user serve ${device} `));
      assert.ok(line, `${PAGE} has a line for serve ${device}`);
      const server = space.start([...line.split(" ").slice(1), "-v"]);
      await server.printed(/listening on /);
      return [device, server] as const;
    }),
  );
  return { space, servers: new Map<string, Running>(servers) };
}

/** Starts QEMU; it may not end before every one of these patterns was printed. */
async function startQemu(
  space: Workspace,
  [program, ...words]: readonly string[],
  expected: readonly (readonly [Running | undefined, RegExp])[],
): Promise<void> {
  assert.equal(program, "qemu-system-x86_64");
  // There is no display here.
  const display = words.includes("-nographic") ? [] : ["-display", "none"];
  await using qemu = await ManagedProcess.spawn(program, [...words, ...display], {
    cwd: space.folder,
  });
  const ended = qemu.exited.then(() => {
    throw new Error(qemu.describe("QEMU ended"));
  });
  ended.catch(() => undefined);
  for (const [server, pattern] of expected) {
    assert.ok(server);
    await Promise.race([server.printed(pattern), ended]);
  }
}

test(
  "the command line of QEMU in the guide starts with each device of serve",
  { skip },
  async (t) => {
    const { space, servers } = await serveAll(t);
    const { machine, added } = linesOf(PAGE);
    assert.equal(machine.length, 1);
    assert.equal(added.length, 3);
    const words = [...(machine[0] ?? []), ...added.flatMap((text) => text.split(" "))];
    await startQemu(space, words, [
      [servers.get("block"), BLOCK_BOOTS],
      [servers.get("net"), /< VHOST_USER_SET_OWNER/],
      [servers.get("fs"), /< VHOST_USER_SET_OWNER/],
      [servers.get("rng"), /< VHOST_USER_SET_OWNER/],
    ]);
  },
);

test("QEMU starts with the command lines in the help of serve", { skip }, async (t) => {
  const { space, servers } = await serveAll(t);
  for (const device of DEVICES) {
    const line = await lineOfHelp(space, device);
    const pattern = device === "block" ? BLOCK_BOOTS : /< VHOST_USER_SET_OWNER/;
    await startQemu(space, line, [[servers.get(device), pattern]]);
  }
});
