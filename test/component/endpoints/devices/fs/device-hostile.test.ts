import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import {
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { once } from "node:events";
import { join } from "node:path";
import { test } from "node:test";
import { Worker } from "node:worker_threads";
import fc from "fast-check";
import { SharedFolder } from "../../../../../src/endpoints/devices/fs/index.ts";
import { Errno } from "../../../../../src/endpoints/devices/fs/errno.ts";
import {
  batchForgetRequest,
  FileType,
  forgetOne,
  readRequest,
  S_IFMT,
} from "../../../../../src/endpoints/devices/fs/layout.ts";
import { FuseOpcode } from "../../../../../src/endpoints/devices/fs/opcodes.ts";
import { encodeStruct } from "../../../../../src/endpoints/devices/fs/wire.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import { temporaryFolder } from "../../../support/folder.ts";
import { FsGuest, shareFolder } from "../../../support/fs.ts";
import { capability } from "../../../../support/capability.ts";

guardLeaks();

/** A folder with something beside it that no guest may reach. */
function treeWithSecret(parent: string): string {
  const path = join(parent, "shared");
  mkdirSync(join(path, "inner"), { recursive: true });
  mkdirSync(join(parent, "outside"));
  writeFileSync(join(path, "inner", "note"), "inside");
  writeFileSync(join(parent, "outside", "note"), "outside");
  return path;
}

test("names that lead elsewhere are refused: '/', NUL, '.', '..', nothing, too much", (t) => {
  const path = treeWithSecret(temporaryFolder(t));
  const guest = new FsGuest({ folder: shareFolder(t, path) });
  guest.init();
  const inner = guest.node("inner");
  for (const nodeid of [1n, inner]) {
    for (const name of [
      "..",
      ".",
      "",
      "/",
      "/etc/passwd",
      "../outside",
      "inner/note",
      "note/",
      "./note",
      "note\0",
      "\0",
      "note\0/../../x",
      "..\0",
    ]) {
      assert.equal(guest.lookup(nodeid, name), -Errno.EINVAL, JSON.stringify(name));
    }
    assert.equal(guest.lookup(nodeid, "x".repeat(256)), -Errno.ENAMETOOLONG);
    assert.equal(guest.lookup(nodeid, "x".repeat(5000)), -Errno.ENAMETOOLONG);
    const args = Buffer.from("note");
    const unended = guest.call({ opcode: FuseOpcode.Lookup, nodeid, args });
    assert.equal(unended.error, -Errno.EINVAL, "a name without its NUL");
    const none = guest.call({ opcode: FuseOpcode.Lookup, nodeid });
    assert.equal(none.error, -Errno.EINVAL, "no name at all");
  }
});

test("a folder that is exchanged for a link after it was found stays the folder it was", (t) => {
  const parent = temporaryFolder(t);
  const path = treeWithSecret(parent);
  const guest = new FsGuest({ folder: shareFolder(t, path) });
  guest.init();
  const inner = guest.node("inner");
  renameSync(join(path, "inner"), join(path, "moved"));
  symlinkSync(join(parent, "outside"), join(path, "inner"));
  const note = guest.node("moved", "note");
  assert.equal(guest.lookup(inner, "note") instanceof Object, true, "it is still there");
  const fh = guest.open(note);
  assert.equal(Buffer.from(guest.read(note, fh, 0n, 100).body).toString(), "inside");
  const link = guest.lookup(1n, "inner");
  assert.ok(typeof link !== "number");
  assert.equal(link.attr.mode & S_IFMT, FileType.Link);
  assert.equal(guest.lookup(link.nodeid, "note"), -Errno.ENOTDIR);
});

test("a file that is exchanged for a link before it is opened is the file that was found", (t) => {
  const parent = temporaryFolder(t);
  const path = treeWithSecret(parent);
  const guest = new FsGuest({ folder: shareFolder(t, path) });
  guest.init();
  const note = guest.node("inner", "note");
  unlinkSync(join(path, "inner", "note"));
  symlinkSync(join(parent, "outside", "note"), join(path, "inner", "note"));
  const fh = guest.open(note);
  assert.equal(Buffer.from(guest.read(note, fh, 0n, 100).body).toString(), "inside");
});

/** Exchanges a folder for a link out of the tree, and back, as fast as it can. */
const EXCHANGER = `
  const { parentPort, workerData: { path, outside } } = require("node:worker_threads");
  const { renameSync, symlinkSync, unlinkSync } = require("node:fs");
  let ended = false;
  parentPort.on("message", () => { ended = true; });
  parentPort.postMessage("ready");
  const step = () => {
    for (let i = 0; i < 50; i += 1) {
      renameSync(path + "/inner", path + "/aside");
      symlinkSync(outside, path + "/inner");
      unlinkSync(path + "/inner");
      renameSync(path + "/aside", path + "/inner");
    }
    if (ended) parentPort.close(); else setImmediate(step);
  };
  step();
`;

test("a folder that is exchanged for a link again and again never leads outside", async (t) => {
  const parent = temporaryFolder(t);
  const path = treeWithSecret(parent);
  const guest = new FsGuest({ folder: shareFolder(t, path) });
  guest.init();
  const workerData = { path, outside: join(parent, "outside") };
  const worker = new Worker(EXCHANGER, { eval: true, workerData });
  await once(worker, "message");
  const kinds = { links: 0, folders: 0, gone: 0 };
  const deadline = performance.now() + 20_000;
  // Until both were seen often: then the race was run.
  while (kinds.links < 20 || kinds.folders < 200) {
    assert.ok(performance.now() < deadline, `the folder did not change: ${JSON.stringify(kinds)}`);
    const found = guest.lookup(1n, "inner");
    if (typeof found === "number") {
      kinds.gone += 1;
      continue;
    }
    const isLink = (found.attr.mode & S_IFMT) === FileType.Link;
    kinds[isLink ? "links" : "folders"] += 1;
    const note = guest.lookup(found.nodeid, "note");
    if (isLink) {
      assert.equal(note, -Errno.ENOTDIR);
      guest.forget(found.nodeid, 1n);
      continue;
    }
    assert.ok(typeof note !== "number");
    const fh = guest.open(note.nodeid);
    const { body } = guest.read(note.nodeid, fh, 0n, 100);
    assert.equal(Buffer.from(body).toString(), "inside");
    guest.release(note.nodeid, fh);
  }
  worker.postMessage("end");
  await once(worker, "exit");
});

test("fifos, sockets and devices can be looked at and not opened", async (t) => {
  const path = temporaryFolder(t);
  assert.equal(spawnSync("mkfifo", [join(path, "fifo")]).status, 0);
  const listener = createServer();
  listener.listen(join(path, "socket"));
  await once(listener, "listening");
  t.after(async () => {
    listener.close();
    await once(listener, "close");
  });
  const guest = new FsGuest({ folder: shareFolder(t, path) });
  guest.init();
  const expectClosed = (name: string, type: number, from = guest): void => {
    const found = from.lookup(1n, name);
    assert.ok(typeof found !== "number", name);
    assert.equal(found.attr.mode & S_IFMT, type);
    // An open of the fifo itself would wait for a writer.
    assert.equal(from.open(found.nodeid), BigInt(-Errno.EACCES));
    assert.equal(from.open(found.nodeid, { folder: true }), BigInt(-Errno.ENOTDIR));
  };
  expectClosed("fifo", FileType.Fifo);
  expectClosed("socket", FileType.Socket);
  const devices = new FsGuest({ folder: shareFolder(t, "/dev") });
  devices.init();
  expectClosed("null", FileType.Character, devices);
});

test("look-ups and opens are bounded, each session by itself and all together", (t) => {
  const path = temporaryFolder(t);
  for (let i = 0; i < 20; i += 1) writeFileSync(join(path, `f${i}`), "");
  const before = readdirSync("/proc/self/fd").length;
  const folder = shareFolder(t, path, { maxDescriptors: 22 });
  const guest = new FsGuest({ folder, maxNodes: 10, maxHandles: 5 });
  guest.init();
  const nodes = Array.from({ length: 10 }, (_, i) => guest.node(`f${i}`));
  assert.equal(guest.lookup(1n, "f10"), -Errno.ENFILE);
  assert.equal(guest.node("f9"), nodes[9], "what is known is found again");
  const [node = 0n] = nodes;
  const handles = Array.from({ length: 5 }, () => guest.open(node));
  assert.ok(handles.every((fh) => fh > 0n));
  assert.equal(guest.open(node), BigInt(-Errno.EMFILE));
  assert.equal(guest.open(1n, { folder: true }), BigInt(-Errno.EMFILE));
  assert.equal(guest.release(node, handles[0] ?? 0n), 0);
  assert.ok(guest.open(node) > 0n, "one that was closed makes room");
  guest.forget(nodes[1] ?? 0n, 1n);
  guest.node("f10");

  const other = new FsGuest({ folder });
  other.init();
  for (let i = 0; i < 7; i += 1) other.node(`f${i}`);
  assert.equal(other.lookup(1n, "f8"), -Errno.ENFILE, "together they have 22");
  assert.equal(other.open(1n, { folder: true }), BigInt(-Errno.EMFILE));
  assert.equal(folder.descriptors, 22);
  const listed = other.call({
    opcode: FuseOpcode.Readdirplus,
    nodeid: 1n,
    args: encodeStruct(readRequest, { fh: 1n, offset: 0n, size: 4096 }),
  });
  assert.equal(listed.error, -Errno.EBADF);
  assert.ok(readdirSync("/proc/self/fd").length <= before + 1 + 22 + 4);
  capability(guest.device, "lifecycle").close?.();
  assert.equal(folder.descriptors, 7);
  for (let i = 7; i < 11; i += 1) other.node(`f${i}`);
  assert.equal(other.lookup(1n, "f11"), -Errno.ENFILE, "one session has half by default");
});

test("a folder is listed whole when its entries cannot be looked up any more", (t) => {
  const path = temporaryFolder(t);
  for (let i = 0; i < 20; i += 1) writeFileSync(join(path, `f${i}`), "");
  const guest = new FsGuest({ folder: shareFolder(t, path), maxNodes: 3 });
  guest.init();
  const fh = guest.open(1n, { folder: true });
  const args = encodeStruct(readRequest, { fh, offset: 0n, size: 65_536 });
  const { error, body } = guest.call({
    opcode: FuseOpcode.Readdirplus,
    nodeid: 1n,
    args,
    writable: 16 + 65_536,
  });
  assert.equal(error, 0);
  assert.equal(body.length, 22 * 160);
});

test("FORGET with too large a count, repeated, of an unknown node and of the root does no harm", (t) => {
  const path = temporaryFolder(t);
  for (const name of ["a", "b", "c"]) writeFileSync(join(path, name), "");
  const folder = shareFolder(t, path);
  const guest = new FsGuest({ folder });
  guest.forget(5n, 1n);
  guest.init();
  const a = guest.node("a");
  assert.equal(guest.node("a"), a);
  assert.equal(guest.forget(a, 1n).used, 0, "no reply");
  assert.equal(guest.node("a"), a);
  guest.forget(a, 2n);
  assert.equal(folder.descriptors, 0);
  assert.equal(
    guest.call({ opcode: FuseOpcode.Getattr, nodeid: a, args: new Uint8Array(16) }).error,
    -Errno.ESTALE,
  );
  const again = guest.node("a");
  assert.notEqual(again, a, "a number is not used again");
  guest.forget(again, 2n ** 64n - 1n);
  for (const nodeid of [again, 0n, 1n, 77n, 2n ** 64n - 1n]) guest.forget(nodeid, 5n);
  assert.equal(folder.descriptors, 0);
  const batch = (count: number, ...nodes: bigint[]): void => {
    const args = Buffer.concat([
      encodeStruct(batchForgetRequest, { count }),
      ...nodes.map((nodeid) => encodeStruct(forgetOne, { nodeid, nlookup: 1n })),
    ]);
    const { used } = guest.call({ opcode: FuseOpcode.BatchForget, args, writable: 0 });
    assert.equal(used, 0);
  };
  const [b, c] = [guest.node("b"), guest.node("c")];
  batch(3, b, c);
  batch(0xffff_ffff, b, c);
  assert.equal(folder.descriptors, 2, "a count above what is listed: nothing is believed");
  batch(1, b, c);
  assert.equal(folder.descriptors, 1);
  batch(1000, ...Array.from({ length: 999 }, (_, i) => BigInt(i + 1000)), c);
  assert.equal(folder.descriptors, 0);
  const open = guest.node("a");
  const fh = guest.open(open);
  guest.forget(open, 1n);
  assert.equal(guest.read(open, fh, 0n, 10).error, 0, "what is open stays so");
});

const opcodes = [1, 3, 5, 14, 15, 17, 18, 26, 27, 28, 29, 38, 44, 4000, 0, 0xffff_ffff];

test("a length in the header that is not that of the request is an error", (t) => {
  const guest = new FsGuest({ folder: shareFolder(t, temporaryFolder(t)) });
  guest.init();
  const args = new Uint8Array(100);
  for (const opcode of opcodes) {
    for (const len of [0, 1, 39, 40, 139, 141, 0x7fff_ffff, 0xffff_ffff]) {
      const { error } = guest.call({ opcode, nodeid: 1n, args, len });
      assert.equal(error, -Errno.EINVAL, `opcode ${opcode}, len ${len}`);
    }
  }
  const forget = guest.call({ opcode: FuseOpcode.Forget, nodeid: 1n, args, len: 9, writable: 0 });
  assert.equal(forget.used, 0);
});

test("a reply is never longer than its room, and nothing is taken for one that does not fit", (t) => {
  const path = temporaryFolder(t);
  writeFileSync(join(path, "file"), "x".repeat(5000));
  const folder = shareFolder(t, path);
  const guest = new FsGuest({ folder });
  guest.init();
  const nodeid = guest.node("file");
  const fh = guest.open(nodeid);
  const held = folder.descriptors;
  const calls: readonly (readonly [number, bigint, Uint8Array, number])[] = [
    [FuseOpcode.Lookup, 1n, Buffer.from("file\0"), 128],
    [FuseOpcode.Getattr, nodeid, new Uint8Array(16), 104],
    [FuseOpcode.Open, nodeid, new Uint8Array(8), 16],
    [FuseOpcode.Opendir, 1n, new Uint8Array(8), 16],
    [FuseOpcode.Statfs, 1n, new Uint8Array(), 80],
    [FuseOpcode.Read, nodeid, encodeStruct(readRequest, { fh, offset: 0n, size: 4096 }), 4096],
    [FuseOpcode.Init, 0n, new Uint8Array(64), 64],
  ];
  for (const [opcode, node, args, needed] of calls) {
    for (const room of [0, 1, needed - 1]) {
      const writable = 16 + room;
      const { error, used } = guest.call({ opcode, nodeid: node, args, writable });
      assert.deepEqual([error, used], [-Errno.EINVAL, 16], `opcode ${opcode}, room ${room}`);
    }
  }
  assert.equal(folder.descriptors, held);
  for (const size of [(16 << 20) + 1, 0xffff_ffff]) {
    const args = encodeStruct(readRequest, { fh, offset: 0n, size });
    assert.equal(guest.call({ opcode: FuseOpcode.Read, nodeid, args }).error, -Errno.EINVAL);
  }
  for (const offset of [2n ** 53n, 2n ** 63n, 2n ** 64n - 1n]) {
    assert.equal(guest.read(nodeid, fh, offset, 10).error, -Errno.EINVAL);
  }
});

test("arguments that are missing or too short are an error", (t) => {
  const guest = new FsGuest({ folder: shareFolder(t, temporaryFolder(t)) });
  guest.init();
  for (const [opcode, needed] of [
    [FuseOpcode.Getattr, 16],
    [FuseOpcode.Open, 8],
    [FuseOpcode.Read, 40],
    [FuseOpcode.Release, 24],
    [FuseOpcode.Opendir, 8],
    [FuseOpcode.Readdir, 40],
    [FuseOpcode.Readdirplus, 40],
    [FuseOpcode.Releasedir, 24],
    [FuseOpcode.Init, 16],
  ] as const) {
    for (const length of [0, 1, needed - 1]) {
      const { error } = guest.call({ opcode, nodeid: 1n, args: new Uint8Array(length) });
      assert.equal(error, -Errno.EINVAL, `opcode ${opcode}, ${length} bytes`);
    }
  }
});

test("numbers of nodes and handles that were never given are errors", (t) => {
  const path = temporaryFolder(t);
  writeFileSync(join(path, "file"), "x");
  const guest = new FsGuest({ folder: shareFolder(t, path) });
  guest.init();
  const nodeid = guest.node("file");
  const [file, folder] = [guest.open(nodeid), guest.open(1n, { folder: true })];
  for (const id of [0n, 3n, 99n, 2n ** 32n, 2n ** 53n, 2n ** 53n + 2n, 2n ** 64n - 1n]) {
    assert.equal(guest.lookup(id, "file"), -Errno.ESTALE, `${id}`);
    assert.equal(guest.open(id), BigInt(-Errno.ESTALE));
    assert.equal(guest.call({ opcode: FuseOpcode.Readlink, nodeid: id }).error, -Errno.ESTALE);
    assert.equal(guest.read(id, file, 0n, 1).error, -Errno.EBADF);
    if (id === file || id === folder) continue;
    assert.equal(guest.read(nodeid, id, 0n, 1).error, -Errno.EBADF);
    assert.equal(guest.release(nodeid, id), -Errno.EBADF);
  }
  assert.equal(guest.read(nodeid, folder, 0n, 1).error, -Errno.EBADF, "a folder's as a file's");
  assert.equal(guest.release(nodeid, file, true), -Errno.EBADF, "a file's as a folder's");
  assert.equal(guest.read(1n, file, 0n, 1).error, -Errno.EBADF, "of another node");
});

test("requests that are not there are ENOSYS; INTERRUPT has no reply", (t) => {
  const guest = new FsGuest({ folder: shareFolder(t, temporaryFolder(t)) });
  guest.init();
  for (const opcode of [0, 7, 19, 20, 22, 25, 34, 46, 48, 52, 4000, 4096, 0xffff_ffff]) {
    const { error, used } = guest.call({ opcode, nodeid: 1n, args: new Uint8Array(64) });
    assert.deepEqual([error, used], [-Errno.ENOSYS, 16], `opcode ${opcode}`);
  }
  const args = new Uint8Array(8);
  assert.equal(guest.call({ opcode: FuseOpcode.Interrupt, args, writable: 0 }).used, 0);
});

test("what cannot be answered breaks the ring: half a header, no room for one", (t) => {
  const folder = shareFolder(t, temporaryFolder(t));
  const broken = (call: Parameters<FsGuest["tryCall"]>[0]): string | undefined => {
    const guest = new FsGuest({ folder });
    guest.init();
    assert.equal(guest.tryCall(call), undefined);
    return guest.queue.broken?.reason;
  };
  const raw = new Uint8Array(39);
  assert.match(broken({ opcode: 0, raw }) ?? "", /at least 40 readable bytes, got 39/);
  for (const writable of [1, 8, 15]) {
    const reason = broken({ opcode: FuseOpcode.Getattr, nodeid: 1n, writable });
    assert.match(reason ?? "", new RegExp(`at least 16 writable bytes .* got ${writable}`));
  }
});

test("random requests are answered, or break the ring, and leave nothing behind", (t) => {
  const path = treeWithSecret(temporaryFolder(t));
  const folder = shareFolder(t, path, { maxDescriptors: 50 });
  const id = fc.oneof(fc.bigInt({ min: 0n, max: 6n }), fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }));
  const word = fc.oneof(
    fc.constantFrom("inner\0", "note\0", "..\0", "/\0"),
    fc.uint8Array({ maxLength: 80 }),
  );
  const call = fc.record({
    opcode: fc.oneof(fc.constantFrom(...opcodes, 2, 42, 36), fc.nat(60)),
    nodeid: id,
    fh: id,
    offset: id,
    size: fc.oneof(fc.nat(5000), fc.nat(0xffff_ffff)),
    tail: word,
    writable: fc.oneof(fc.constant(4096), fc.nat(5000)),
  });
  fc.assert(
    fc.property(fc.array(call, { maxLength: 30 }), (calls) => {
      const guest = new FsGuest({ folder });
      guest.init();
      for (const { opcode, nodeid, fh, offset, size, tail, writable } of calls) {
        const args = Buffer.concat([
          ...(opcode === 1 ? [] : [encodeStruct(readRequest, { fh, offset, size })]),
          Buffer.from(tail as Uint8Array),
        ]);
        if (guest.tryCall({ opcode, nodeid, args, writable }) === undefined) break;
      }
      guest.close();
      assert.equal(folder.descriptors, 0);
    }),
    { numRuns: 200 },
  );
});

test("a path that is not a folder is refused", (t) => {
  const path = temporaryFolder(t);
  writeFileSync(join(path, "file"), "");
  const error = (name: string): unknown => {
    try {
      SharedFolder.open(join(path, name));
      return undefined;
    } catch (thrown) {
      return (thrown as { code?: string }).code;
    }
  };
  assert.equal(error("none"), "ENOENT");
  assert.equal(error("file"), "ENOTDIR");
  for (const maxDescriptors of [0, -1, 1.5, NaN]) {
    assert.throws(
      () => SharedFolder.open(path, { maxDescriptors }),
      /must be a whole number above 0/,
    );
  }
  rmSync(join(path, "file"));
});
