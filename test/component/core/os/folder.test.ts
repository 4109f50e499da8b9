import assert from "node:assert/strict";
import { closeSync, mkdirSync, readSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { addon } from "../../../../src/core/os/addon.ts";
import {
  nameEntry,
  nameFolder,
  openNamed,
  readFolder,
  readNamedLink,
} from "../../../../src/core/os/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { temporaryFolder } from "../../support/folder.ts";

guardLeaks();

const ENOENT = -2;
const EBADF = -9;
const ENOTDIR = -20;
const EINVAL = -22;
const ENAMETOOLONG = -36;

/** A descriptor that is closed after the test. */
function closed(t: TestContext, fd: number): number {
  assert.ok(fd >= 0, `error ${fd}`);
  t.after(() => closeSync(fd));
  return fd;
}

test("an entry is named by any bytes, and read as the very file it was", (t) => {
  const path = temporaryFolder(t);
  const name = Buffer.from([0x61, 0xff, 0x0a]);
  writeFileSync(Buffer.concat([Buffer.from(`${path}/`), name]), "content");
  const folder = closed(t, nameFolder(path));
  const entry = closed(t, nameEntry(folder, name));
  const file = closed(t, openNamed(entry, false));
  const bytes = Buffer.alloc(20);
  assert.equal(readSync(file, bytes), 7);
  assert.equal(bytes.toString("utf8", 0, 7), "content");
  assert.throws(() => readSync(entry, bytes), { code: "EBADF" }, "a name is not open for reading");
});

test("a name that is not an entry is an error number, and nothing is opened", (t) => {
  const path = temporaryFolder(t);
  writeFileSync(join(path, "file"), "");
  const folder = closed(t, nameFolder(path));
  const file = closed(t, nameEntry(folder, Buffer.from("file")));
  const at = (fd: number, name: string): number => nameEntry(fd, Buffer.from(name));
  assert.equal(at(folder, "none"), ENOENT);
  assert.equal(at(folder, ""), ENOENT);
  assert.equal(at(folder, "file\0"), EINVAL, "a name is not cut at a NUL");
  assert.equal(at(folder, "x".repeat(256)), ENAMETOOLONG);
  assert.equal(at(folder, "x".repeat(100_000)), ENAMETOOLONG);
  assert.equal(at(file, "file"), ENOTDIR);
  assert.equal(at(987_654, "file"), EBADF);
  assert.equal(nameFolder(join(path, "file")), ENOTDIR);
  assert.equal(openNamed(file, true), ENOTDIR);
});

test("a symbolic link is named itself; its target is cut to the room", (t) => {
  const path = temporaryFolder(t);
  symlinkSync("somewhere/else", join(path, "link"));
  const folder = closed(t, nameFolder(path));
  const link = closed(t, nameEntry(folder, Buffer.from("link")));
  const bytes = Buffer.alloc(100);
  assert.equal(readNamedLink(link, bytes), 14);
  assert.equal(bytes.toString("utf8", 0, 14), "somewhere/else");
  assert.equal(readNamedLink(link, bytes.subarray(0, 4)), 4);
  assert.ok(readNamedLink(folder, bytes) < 0, "a folder is not a link");
});

test("a folder is read from the position of any entry, into a buffer of any size", (t) => {
  const path = temporaryFolder(t);
  for (let i = 0; i < 50; i += 1) mkdirSync(join(path, `folder ${i}`));
  const named = closed(t, nameFolder(path));
  const folder = closed(t, openNamed(named, true));
  const read = (position: bigint, room: number) => {
    const entries = readFolder(folder, position, new Uint8Array(room));
    assert.ok(Array.isArray(entries), "it is an error");
    return entries;
  };
  const all = read(0n, 32_768);
  assert.equal(all.length, 52);
  for (const room of [64, 100, 1000]) {
    const found = [];
    for (let position = 0n; ;) {
      const some = read(position, room);
      const last = some.at(-1);
      if (last === undefined) break;
      found.push(...some);
      position = last.next;
    }
    assert.deepEqual(found, all, `with ${room} bytes`);
  }
  assert.deepEqual(read(all[20]?.next ?? 0n, 32_768), all.slice(21));
  assert.ok(all.every(({ type }) => type === 4));
  assert.equal(readFolder(folder, 0n, new Uint8Array(10)), EINVAL, "no entry fits");
  assert.equal(readFolder(folder, -1n, new Uint8Array(100)), EINVAL);
  assert.equal(readFolder(named, 0n, new Uint8Array(100)), EBADF, "it is not open");
});

test("arguments of the wrong kind are type errors", () => {
  const native = addon() as unknown as Record<string, (...args: unknown[]) => number>;
  const bytes = new Uint8Array(8);
  for (const call of [
    () => native["openAt"]?.(-100, "name", 0, 4, 0),
    () => native["openAt"]?.(-100, bytes, 0, 9, 0),
    () => native["openAt"]?.("x", bytes, 0, 8, 0),
    () => native["openAt"]?.(-100, bytes, 0, 8),
    () => native["readLink"]?.(0, bytes, 4, 5),
    () => native["readLink"]?.(),
    () => native["readFolder"]?.(0, 0, bytes, 0, 8),
    () => native["readFolder"]?.(0, 0n, bytes, 0, 9),
  ]) {
    assert.throws(call, TypeError);
  }
});
