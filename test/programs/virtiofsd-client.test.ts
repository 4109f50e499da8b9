import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  FsDriver,
  FsTree,
  FUSE_ROOT_ID,
  nameText,
  pathNames,
} from "../../src/endpoints/devices/fs/index.ts";
import { Client } from "../../src/endpoints/frontend/index.ts";
import { startVirtiofsd } from "../../src/lab/programs/index.ts";
import { Workspace } from "../integration/support/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { parseDocument } from "../support/published-schemas.ts";
import { BIG_BYTES, makeSharedFolder, MANY } from "./support/shared-folder.ts";
import { needsProgram, needsRoot, temporaryDirectory } from "./support/index.ts";

guardLeaks();

const skip = needsRoot() || needsProgram("virtiofsd");

for (const ringMode of ["event", "poll"] as const) {
  test(`virtiofsd serves our driver: completion by ${ringMode}`, { skip }, async (t) => {
    const directory = temporaryDirectory(t);
    const { path: sharedDirectory, big } = makeSharedFolder(directory);
    const socketPath = join(directory, "fs.sock");
    await using daemon = await startVirtiofsd({ socketPath, sharedDirectory });
    await using client = await Client.connect(socketPath);
    const driver = await FsDriver.start(client, { ringMode });
    assert.equal(driver.init.major, 7);
    assert.ok(driver.init.minor >= 31);
    t.diagnostic(
      `FUSE ${driver.init.major}.${driver.init.minor}, ${driver.readBytes} bytes a read`,
    );
    const tree = new FsTree(driver);

    const listed = await tree.visit([], async (root) => tree.list(root));
    const names = readdirSync(sharedDirectory, { encoding: "buffer" });
    assert.deepEqual(listed.map(({ name }) => nameText(name)).sort(), names.map(nameText).sort());
    const many = await tree.visit(pathNames("/many"), async (folder) => tree.list(folder));
    assert.equal(new Set(many.map(({ name }) => nameText(name))).size, MANY);

    const chunks: Uint8Array[] = [];
    await tree.visit(pathNames("/big"), async (file) => {
      assert.equal(file.attr.size, BigInt(BIG_BYTES));
      for await (const chunk of tree.read(file)) chunks.push(chunk);
    });
    assert.ok(Buffer.concat(chunks).equals(big), "what was read is what is in the file");

    const link = await driver.lookup(FUSE_ROOT_ID, Buffer.from("up"));
    assert.equal(Buffer.from(await driver.readlink(link.nodeid)).toString(), "../secret");
    await driver.forget(link.nodeid);
    await assert.rejects(driver.lookup(FUSE_ROOT_ID, Buffer.from("none")), {
      errnoName: "ENOENT",
      message: 'FUSE_LOOKUP of "none" in node 1: the device answered ENOENT',
    });
    // With entries not looked up: the plain listing, the same names.
    const folder = await driver.opendir(FUSE_ROOT_ID);
    const plain = await driver.readdir(folder, 0n);
    await driver.releasedir(folder);
    const dots = [".", ".."].map((name) => Buffer.from(name));
    assert.deepEqual(
      plain.map(({ name }) => nameText(name)).sort(),
      [...names, ...dots].map(nameText).sort(),
    );
    const { bsize, namelen } = await driver.statfs();
    assert.ok(bsize > 0 && namelen === 255);
    assert.equal((await driver.getattr(FUSE_ROOT_ID)).mode & 0o170000, 0o040000);
    await driver.destroy();
    await client.close();
    await daemon.exited;
  });
}

test("io fs lists, reads and looks at what virtiofsd shares", { skip }, async (t) => {
  const space = new Workspace(t);
  const { path: sharedDirectory, big } = makeSharedFolder(space.folder);
  // It serves one front-end, then ends.
  const io = async (...words: readonly string[]) => {
    const socketPath = space.path("fs.sock");
    await using daemon = await startVirtiofsd({ socketPath, sharedDirectory });
    const [verb = "", ...rest] = words;
    const result = await space.run(["io", "fs", verb, socketPath, ...rest]);
    await daemon.exited;
    return result;
  };
  const cat = await io("cat", "/big");
  assert.deepEqual([cat.code, cat.stderr], [0, ""]);
  assert.ok(cat.bytes.equals(big));
  const saved = await io("cat", "/big", "--out", "copy");
  assert.match(saved.stderr, /^10 MiB of \/big saved to copy\n$/);
  assert.ok(readFileSync(space.path("copy")).equals(big));
  const ls = await io("ls", "/", "--json");
  const { entries } = parseDocument<{ entries: { name: string }[] }>("io-fs-ls", ls.stdout);
  const names = readdirSync(sharedDirectory, { encoding: "buffer" }).map(nameText);
  assert.deepEqual(entries.map(({ name }) => name).sort(), names.sort());
  const stat = await io("stat", "/up", "--json");
  assert.match(stat.stdout, /"target": "..\/secret"/);
  const none = await io("stat", "/none");
  assert.match(none.stderr, /ENOENT/);
  assert.equal(none.code, 1);
});
