import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { type BackendOptions, BackendServer } from "../../../../../src/endpoints/backend/index.ts";
import {
  NegotiationError,
  PeerClosedError,
  ProtocolError,
  TimeoutError,
  UsageError,
} from "../../../../../src/core/base/index.ts";
import {
  direntPlusSize,
  direntSize,
  writeDirent,
} from "../../../../../src/endpoints/devices/fs/directory-entry.ts";
import {
  FsDevice,
  FsDriver,
  FsError,
  FsTree,
  SharedFolder,
} from "../../../../../src/endpoints/devices/fs/index.ts";
import {
  attributesReply,
  entry,
  FuseInitFlag,
  openReply,
} from "../../../../../src/endpoints/devices/fs/layout.ts";
import { nameText, pathNames } from "../../../../../src/endpoints/devices/fs/names.ts";
import { FuseOpcode } from "../../../../../src/endpoints/devices/fs/opcodes.ts";
import { Client, type ClientOptions } from "../../../../../src/endpoints/frontend/index.ts";
import { VirtioFeature } from "../../../../../src/core/protocol/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import { temporaryFolder } from "../../../support/folder.ts";
import { initBody, type Script, ScriptedFs } from "../../../support/scripted-fs.ts";
import { until } from "../../../../support/until.ts";

guardLeaks();

/** A back-end on a socket, and a client of it; both gone after the test. */
async function connect(
  t: TestContext,
  backend: BackendOptions,
  options: ClientOptions = {},
): Promise<Client> {
  const path = join(temporaryFolder(t), "fs.sock");
  const server = await BackendServer.listen(path, backend);
  const client = await Client.connect(path, options);
  t.after(async () => {
    await client.close();
    server.close();
    await until(() => server.sessions.size === 0, "the sessions to end");
  });
  return client;
}

interface Shape {
  readonly name: string;
  readonly options?: ClientOptions;
  readonly queues?: number;
  readonly ringMode?: "event" | "poll";
}

const shapes: readonly Shape[] = [
  { name: "split rings" },
  { name: "packed rings", options: { packed: true } },
  {
    name: "split rings, neither indirect descriptors nor event index",
    options: { without: { virtio: VirtioFeature.IndirectDesc | VirtioFeature.EventIdx } },
  },
  { name: "three request queues", queues: 3 },
  { name: "packed rings, polling", options: { packed: true }, ringMode: "poll" },
];

for (const { name, options, queues = 1, ringMode } of shapes) {
  test(`our driver lists, reads and looks at what our device shares: ${name}`, async (t) => {
    const path = join(temporaryFolder(t), "shared");
    mkdirSync(join(path, "inner"), { recursive: true });
    const content = randomBytes(700_001);
    writeFileSync(join(path, "inner", "big"), content);
    writeFileSync(join(path, "empty"), "");
    writeFileSync(Buffer.concat([Buffer.from(`${path}/raw`), Buffer.from([0xff])]), "");
    symlinkSync("inner/big", join(path, "link"));
    for (let i = 0; i < 300; i += 1) writeFileSync(join(path, "inner", `entry ${i}`), "");
    const folder = SharedFolder.open(path);
    t.after(() => folder.close());
    const device = (): FsDevice => new FsDevice({ folder, tag: "files", queues });
    const client = await connect(t, { device }, options);
    const driver = await FsDriver.start(client, { queues, ringMode, transferBytes: 32_768 });
    assert.deepEqual(driver.config, { tag: "files", numRequestQueues: queues });
    assert.equal(driver.readBytes, 32_768);
    const tree = new FsTree(driver);

    const names = (entries: Awaited<ReturnType<FsTree["list"]>>): string[] =>
      entries.map((each) => nameText(each.name)).sort();
    const root = await tree.visit([], async (node) => tree.list(node));
    assert.deepEqual(names(root), ["empty", "inner", "link", "raw\\xff"]);
    const inner = await tree.visit(pathNames("inner"), async (node) => tree.list(node));
    assert.deepEqual(names(inner), readdirSync(join(path, "inner")).sort());
    assert.ok(inner.every(({ attr }) => attr !== undefined));

    const read = async (file: string): Promise<Buffer> => {
      const chunks: Uint8Array[] = [];
      await tree.visit(pathNames(file), async (node) => {
        for await (const chunk of tree.read(node)) chunks.push(chunk);
      });
      return Buffer.concat(chunks);
    };
    const all = await Promise.all([read("inner/big"), read("/inner/big"), read("empty")]);
    assert.deepEqual(
      all.map((each, i) => each.equals(i < 2 ? content : Buffer.alloc(0))),
      [true, true, true],
    );
    await assert.rejects(read("inner/none"), { name: "FsError", status: 2, errnoName: "ENOENT" });
    await assert.rejects(read("link"), { errnoName: "ELOOP" });
    await assert.rejects(read("empty/x"), { errnoName: "ENOTDIR" });
    const target = await tree.visit(pathNames("link"), async ({ nodeid }) =>
      driver.readlink(nodeid),
    );
    assert.equal(Buffer.from(target).toString(), "inner/big");
    assert.equal((await driver.statfs()).namelen, 255);
    await until(() => folder.descriptors === 0, "everything found to be forgotten");
    await driver.destroy();
    await assert.rejects(driver.getattr(1n), { errnoName: "EIO" });
  });
}

test("a driver takes no more queues than there are, and no names that are none", async (t) => {
  const folder = SharedFolder.open(temporaryFolder(t));
  t.after(() => folder.close());
  const client = await connect(t, { device: () => new FsDevice({ folder, queues: 2 }) });
  await assert.rejects(FsDriver.start(client, { queues: 3 }), UsageError);
  await assert.rejects(FsDriver.start(client, { queues: 0 }), UsageError);
  await assert.rejects(FsDriver.start(client, { transferBytes: 100 }), UsageError);
  const driver = await FsDriver.start(client, { queues: 2 });
  for (const name of ["", "a\0", "x".repeat(1025)]) {
    await assert.rejects(driver.lookup(1n, Buffer.from(name)), UsageError);
  }
});

/** A driver of a device that answers as the script has it. */
async function scripted(
  t: TestContext,
  script: (opcode: number, args: Uint8Array) => Script,
): Promise<{ driver: FsDriver; device: ScriptedFs; client: Client }> {
  const device = new ScriptedFs(script);
  const client = await connect(t, { device: () => device });
  return { driver: await FsDriver.start(client), device, client };
}

const attr = attributesReply.read(new DataView(new ArrayBuffer(104)), 0, true).attr;
const found = new Uint8Array(entry.size).fill(1);

const invalidReplies: readonly (readonly [what: string, Script, RegExp])[] = [
  ["nothing written", { used: 0 }, /at least 16 bytes, got 0/],
  ["half a header", { used: 15 }, /at least 16 bytes, got 15/],
  ["a length below what was written", { body: found, len: 16 }, /the 144 bytes .* got 16/],
  ["a length above it", { body: found, len: 0xffff_ffff }, /got 4294967295/],
  ["a used length below the reply", { body: found, used: 143 }, /the 143 bytes .* got 144/],
  ["another request's number", { body: found, unique: 99n }, /unique: expected \d+, .* got 99/],
  ["an error above 0", { error: 2 }, /error: expected 0 or -1 to -4095, got 2/],
  ["an error that is none", { error: -4096 }, /got -4096/],
  ["the lowest number as error", { error: -(2 ** 31) }, /got -2147483648/],
  ["an error with a reply behind it", { error: -2, body: found }, /16 bytes for an error, got 144/],
  ["a reply that is too short", { body: found.subarray(1) }, /128 bytes behind .*, got 127/],
  ["a reply without a body", {}, /128 bytes behind the header, got 0/],
];
for (const [what, script, says] of invalidReplies) {
  test(`a reply with ${what} is refused, and the next one is taken`, async (t) => {
    let isLying = true;
    const { driver } = await scripted(t, (opcode) =>
      opcode === FuseOpcode.Lookup ? (isLying ? script : { body: found }) : {},
    );
    await assert.rejects(
      driver.lookup(1n, Buffer.from("a")),
      (error: Error) => error instanceof ProtocolError && says.test(error.message),
    );
    isLying = false;
    assert.equal((await driver.lookup(1n, Buffer.from("a"))).attr.mode, 0x0101_0101);
  });
}

test("a device may complete FUSE_DESTROY with a reply or with 0 bytes written, and with nothing between", async (t) => {
  let reply: Script = {};
  const { driver } = await scripted(t, (opcode) => (opcode === FuseOpcode.Destroy ? reply : {}));
  for (reply of [{}, { used: 0 }]) await driver.destroy();
  for (reply of [{ used: 1 }, { used: 15 }, { unique: 99n }]) {
    await assert.rejects(driver.destroy(), ProtocolError);
  }
  reply = { error: -5 };
  await assert.rejects(driver.destroy(), { errnoName: "EIO" });
});

test("every other request of a driver needs a reply, also those whose reply is a header alone", async (t) => {
  const { driver } = await scripted(t, (opcode) => (opcode === FuseOpcode.Init ? {} : { used: 0 }));
  const file = { nodeid: 1n, fh: 0n };
  const requests: readonly (() => Promise<unknown>)[] = [
    async () => driver.lookup(1n, Buffer.from("a")),
    async () => driver.getattr(1n),
    async () => driver.readlink(1n),
    async () => driver.open(1n),
    async () => driver.read(file, 0n, 1),
    async () => driver.release(file),
    async () => driver.opendir(1n),
    async () => driver.readdir(file, 0n),
    async () => driver.readdirplus(file, 0n),
    async () => driver.releasedir(file),
    async () => driver.statfs(),
  ];
  for (const request of requests) {
    await assert.rejects(request(), /expected a reply of at least 16 bytes, got 0/);
  }
});

test("an error number is reported by its name, and one without a name as well", async (t) => {
  let error = -13;
  const { driver } = await scripted(t, (opcode) => (opcode === FuseOpcode.Lookup ? { error } : {}));
  const fails = driver.lookup(5n, Buffer.from("é\xff", "latin1"));
  await assert.rejects(fails, {
    message: 'FUSE_LOOKUP of "\\xe9\\xff" in node 5: the device answered EACCES',
  });
  error = -4095;
  await assert.rejects(driver.lookup(1n, Buffer.from("a")), /answered errno 4095/);
});

test("an entry without a node is one that is not there", async (t) => {
  const { driver } = await scripted(t, () => ({}));
  await assert.rejects(driver.lookup(1n, Buffer.from("a")), ProtocolError);
  const none = await scripted(t, (opcode) =>
    opcode === FuseOpcode.Lookup ? { body: new Uint8Array(entry.size) } : {},
  );
  await assert.rejects(none.driver.lookup(1n, Buffer.from("a")), { errnoName: "ENOENT" });
});

test("a device that speaks another FUSE, or none, is refused at the start", async (t) => {
  const cases: readonly (readonly [Script, new (...args: never[]) => Error])[] = [
    [{ body: initBody({ major: 8 }) }, NegotiationError],
    [{ body: initBody({ minor: 30 }) }, NegotiationError],
    [{ body: initBody({}).subarray(0, 8) }, ProtocolError],
    [{ error: -71 }, FsError],
  ];
  for (const [script, type] of cases) {
    await assert.rejects(
      scripted(t, (opcode) => (opcode === FuseOpcode.Init ? script : {})),
      type,
    );
  }
});

test("a device that says nothing costs a time-out, one that leaves an error", async (t) => {
  const { driver, client } = await scripted(t, (opcode) =>
    opcode === FuseOpcode.Lookup ? { silent: true } : {},
  );
  await assert.rejects(
    driver.lookup(1n, Buffer.from("a"), { timeoutMs: 20 }),
    (error: Error) =>
      error instanceof TimeoutError && /FUSE_LOOKUP of "a" .* within 20 ms/.test(error.message),
  );
  const stop = new AbortController();
  const aborted = driver.lookup(1n, Buffer.from("a"), { signal: stop.signal });
  stop.abort(new Error("not wanted any more"));
  await assert.rejects(aborted, /not wanted any more/);
  // More than there are slots for: those that wait for one end as well.
  const waiting = Array.from({ length: 20 }, async () => driver.lookup(1n, Buffer.from("a")));
  const ends = Promise.allSettled(waiting);
  await client.close();
  for (const end of await ends) {
    assert.ok(end.status === "rejected" && end.reason instanceof PeerClosedError);
  }
  await assert.rejects(driver.lookup(1n, Buffer.from("a")), PeerClosedError);
});

/** A listing with one entry whose name is given. */
function listing(name: string, off = 1n, plus = false): Uint8Array {
  const bytes = new Uint8Array(plus ? direntPlusSize(name.length) : direntSize(name.length));
  const dirent = { ino: 1n, off, type: 8, name: Buffer.from(name) };
  writeDirent(bytes, plus ? entry.size : 0, dirent, true);
  return bytes;
}

test("a listing with names that are none is refused", async (t) => {
  let name = "a/b";
  const open = encodeOpen();
  const { driver } = await scripted(t, (opcode) => {
    if (opcode === FuseOpcode.Opendir) return { body: open };
    return opcode === FuseOpcode.Readdir ? { body: listing(name) } : {};
  });
  const tree = new FsTree(driver);
  for (name of ["a/b", "../etc", "a\0b", "/"]) {
    await assert.rejects(tree.list({ nodeid: 1n }), ProtocolError);
  }
});

test("a listing that never ends is given up", async (t) => {
  const open = encodeOpen();
  const many = Buffer.concat(Array.from({ length: 3000 }, () => listing(".")));
  const { driver } = await scripted(t, (opcode) => {
    if (opcode === FuseOpcode.Opendir) return { body: open };
    return opcode === FuseOpcode.Readdir ? { body: many } : {};
  });
  await assert.rejects(
    new FsTree(driver).list({ nodeid: 1n }),
    /does not end within 1000000 entries/,
  );
});

test("an entry that is gone when it is looked up is listed without attributes", async (t) => {
  const open = encodeOpen();
  let listed = 0;
  const { driver, device } = await scripted(t, (opcode) => {
    if (opcode === FuseOpcode.Init)
      return { body: initBody({ flags: FuseInitFlag.DoReaddirplus }) };
    if (opcode === FuseOpcode.Opendir) return { body: open };
    if (opcode === FuseOpcode.Lookup) return { error: -2 };
    if (opcode !== FuseOpcode.Readdirplus) return {};
    listed += 1;
    return listed === 1 ? { body: listing("gone", 1n, true) } : {};
  });
  const entries = await new FsTree(driver).list({ nodeid: 1n });
  const name = new Uint8Array(Buffer.from("gone"));
  assert.deepEqual(entries, [{ name, attr: undefined }]);
  assert.ok(device.seen.includes(FuseOpcode.Releasedir));
});

test("a file that gives more than it was asked for is refused", async (t) => {
  const open = encodeOpen();
  const { driver } = await scripted(t, (opcode) => {
    if (opcode === FuseOpcode.Open) return { body: open };
    // Cut to the room that there is; the header still says more.
    return opcode === FuseOpcode.Read ? { body: new Uint8Array(5000) } : {};
  });
  const file = await driver.open(1n);
  await assert.rejects(driver.read(file, 0n, 100), ProtocolError);
});

test("a reply that changes after it came does not change what was taken", async (t) => {
  const body = new Uint8Array(attributesReply.size);
  attributesReply.write(
    new DataView(body.buffer),
    0,
    { attrValid: 1n, attrValidNsec: 0, attr: { ...attr, size: 5n } },
    true,
  );
  const { driver } = await scripted(t, (opcode) => (opcode === FuseOpcode.Getattr ? { body } : {}));
  const first = await driver.request({ opcode: FuseOpcode.Getattr, nodeid: 1n, room: 104 });
  const copy = first.slice();
  body.fill(0xff);
  await driver.request({ opcode: FuseOpcode.Getattr, nodeid: 1n, room: 104 });
  assert.deepEqual(first, copy);
});

function encodeOpen(): Uint8Array {
  const bytes = new Uint8Array(openReply.size);
  openReply.write(new DataView(bytes.buffer), 0, { fh: 1n, openFlags: 0 }, true);
  return bytes;
}
