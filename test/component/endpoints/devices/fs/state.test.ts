import assert from "node:assert/strict";
import { mkdirSync, renameSync, symlinkSync, unlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ProtocolError } from "../../../../../src/core/base/index.ts";
import { Errno } from "../../../../../src/endpoints/devices/fs/errno.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import { temporaryFolder } from "../../../support/folder.ts";
import { FsGuest, shareFolder } from "../../../support/fs.ts";
import { capability } from "../../../../support/capability.ts";

guardLeaks();

async function* of(text: string): AsyncGenerator<Uint8Array> {
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += 7) yield bytes.subarray(at, at + 7);
}

async function textOf(guest: FsGuest): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of capability(guest.device, "migration").save()) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

test("a driver goes on with its numbers on another device over the same folder", async (t) => {
  const path = temporaryFolder(t);
  const odd = Buffer.concat([Buffer.from("odd \\ "), Buffer.from([0xff])]);
  mkdirSync(join(path, "inner"));
  writeFileSync(join(path, "inner", "note"), "hello");
  writeFileSync(Buffer.concat([Buffer.from(`${path}/`), odd]), "odd");
  for (const name of ["gone", "moved", "exchanged", "left", "removed"])
    writeFileSync(join(path, name), name);
  const folder = shareFolder(t, path);
  const source = new FsGuest({ folder });
  source.init();
  const inner = source.node("inner");
  const note = source.node("inner", "note");
  const found = source.lookup(1n, odd);
  assert.ok(typeof found !== "number");
  const [gone, moved, exchanged] = ["gone", "moved", "exchanged"].map((name) => source.node(name));
  const fh = source.open(note);
  const list = source.open(inner, { folder: true });
  renameSync(join(path, "moved"), join(path, "inner", "there"));
  // Names that a path cut in the wrong place, or the kernel's word for what was removed, would hit.
  const outside = temporaryFolder(t);
  const lost = ["left", "removed"].map((name) => source.node(name));
  renameSync(join(path, "left"), join(outside, "left"));
  unlinkSync(join(path, "removed"));
  for (const name of ["left", "removed (deleted)"]) writeFileSync(join(path, name), "another");
  const text = await textOf(source);
  unlinkSync(join(path, "gone"));
  unlinkSync(join(path, "exchanged"));
  symlinkSync("/etc/passwd", join(path, "exchanged"));
  source.close();
  assert.equal(folder.descriptors, 0);

  const target = new FsGuest({ folder });
  await capability(target.device, "migration").load(of(text));
  assert.equal(Buffer.from(target.read(note, fh, 0n, 100).body).toString(), "hello");
  assert.equal(target.lookup(inner, "none"), -Errno.ENOENT);
  assert.equal(target.release(inner, list, true), 0);
  assert.equal(target.node("inner", "note"), note, "found again under its number");
  assert.ok(target.open(found.nodeid) > fh, "a number is not given again");
  for (const nodeid of [gone, ...lost]) {
    assert.equal(target.lookup(nodeid ?? 0n, "x"), -Errno.ESTALE);
  }
  assert.equal(target.lookup(moved ?? 0n, "x"), -Errno.ENOTDIR, "by the path that it had last");
  assert.equal(target.open(exchanged ?? 0n), BigInt(-Errno.ELOOP), "a link is not followed");
  target.forget(note, 1n);
  assert.equal(target.read(note, fh, 0n, 100).error, 0);

  const none = new FsGuest({ folder });
  const empty = await textOf(none);
  await capability(target.device, "migration").load(of(empty));
  assert.equal(target.lookup(1n, "inner"), -Errno.EIO, "a device before INIT");
});

test("a state that is none is refused, and the device stays as it was", async (t) => {
  const path = temporaryFolder(t);
  writeFileSync(join(path, "file"), "x");
  const folder = shareFolder(t, path);
  const guest = new FsGuest({ folder });
  guest.init();
  const nodeid = guest.node("file");
  const document = (state: unknown, more = {}): string =>
    JSON.stringify({ format: "vhost-user device state", type: "fs", version: 1, state, ...more });
  const session = (nodes: unknown, handles: unknown): string => document({ nodes, handles });
  for (const text of [
    "",
    "null",
    "[]",
    "{",
    document(5),
    document(null),
    document({}, { type: "block" }),
    document({}, { version: 2 }),
    document({}),
    session({}, []),
    session([], "x"),
    session([[2, 1]], []),
    session([[1, 1, "file"]], []),
    session([[2, 0, "file"]], []),
    session([[2, 1, "../secret"]], []),
    session([[2, 1, "a\\x2fb"]], []),
    session([7], []),
    session([[1e300, 1, "file"]], []),
    session([], [[1, 1]]),
    session([], [[0, 1, true]]),
  ]) {
    await assert.rejects(capability(guest.device, "migration").load(of(text)), ProtocolError, text);
    assert.equal(guest.node("file"), nodeid);
  }
  assert.equal(folder.descriptors, 1);
});

test("what a state names too often, or wrongly, is left out", async (t) => {
  const path = temporaryFolder(t);
  writeFileSync(join(path, "file"), "x");
  const folder = shareFolder(t, path, { maxDescriptors: 4 });
  const guest = new FsGuest({ folder, maxNodes: 1, maxHandles: 1 });
  const state = {
    nodes: [
      [5, 1, "file"],
      [6, 1, "file"],
      [5, 1, "file"],
      [7, 1, ""],
      [8, 1, "none/file"],
      [9, 1, "file/file"],
    ],
    handles: [
      [3, 5, false],
      [3, 5, false],
      [4, 5, false],
      [5, 5, true],
      [6, 99, false],
    ],
  };
  const text = JSON.stringify({ format: "vhost-user device state", type: "fs", version: 1, state });
  await capability(guest.device, "migration").load(of(text));
  assert.equal(folder.descriptors, 2);
  assert.equal(guest.node("file"), 5n);
  assert.equal(Buffer.from(guest.read(5n, 3n, 0n, 10).body).toString(), "x");
  assert.equal(guest.read(5n, 4n, 0n, 10).error, -Errno.EBADF);
});
