import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import {
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { UsageError } from "../../../../../src/core/base/index.ts";
import { decodeFsConfig } from "../../../../../src/endpoints/devices/fs/config.ts";
import { FsDevice } from "../../../../../src/endpoints/devices/fs/index.ts";
import {
  decodeDirents,
  decodeDirentsPlus,
  type DirectoryEntry,
} from "../../../../../src/endpoints/devices/fs/directory-entry.ts";
import { Errno } from "../../../../../src/endpoints/devices/fs/errno.ts";
import {
  attributesReply,
  FileType,
  FuseInitFlag,
  initReply,
  readRequest,
  S_IFMT,
  statfs,
} from "../../../../../src/endpoints/devices/fs/layout.ts";
import { nameText } from "../../../../../src/endpoints/devices/fs/names.ts";
import { FuseOpcode } from "../../../../../src/endpoints/devices/fs/opcodes.ts";
import { encodeStruct, viewOf } from "../../../../../src/endpoints/devices/fs/wire.ts";
import { Window } from "../../../../../src/core/memory/index.ts";
import { guardLeaks } from "../../../../support/leak-guard.ts";
import { temporaryFolder } from "../../../support/folder.ts";
import { FsGuest, type FsGuestOptions, shareFolder } from "../../../support/fs.ts";
import { capability } from "../../../../support/capability.ts";

guardLeaks();

function guestOf(t: TestContext, path: string, options: Partial<FsGuestOptions> = {}): FsGuest {
  const guest = new FsGuest({ folder: shareFolder(t, path), ...options });
  guest.init();
  return guest;
}

for (const packed of [false, true]) {
  test(`INIT agrees on version and flags: packed ${packed}`, (t) => {
    const guest = guestOf(t, temporaryFolder(t), { packed });
    const init = (major: number, minor: number, flags = 0) => {
      const { error, body } = guest.init({ major, minor, flags });
      return error === 0 ? initReply.read(viewOf(body), 0, true) : error;
    };
    const versions = [
      [7, 31],
      [7, 38],
      [7, 99],
      [8, 0],
    ] as const;
    const agreed = versions.map(([major, minor]) => init(major, minor));
    assert.deepEqual(
      agreed.map((reply) => typeof reply !== "number" && [reply.major, reply.minor]),
      [
        [7, 31],
        [7, 38],
        [7, 38],
        [7, 38],
      ],
    );
    assert.equal(guest.lookup(1n, "x"), -Errno.EIO, "a newer major version has to begin again");
    assert.equal(init(7, 30), -Errno.EPROTO);
    assert.equal(init(6, 99), -Errno.EPROTO);
    const all = init(7, 38, 0xffff_ffff);
    assert.ok(typeof all !== "number");
    assert.deepEqual(all, {
      major: 7,
      minor: 38,
      maxReadahead: 1 << 17,
      flags:
        FuseInitFlag.AsyncRead |
        FuseInitFlag.AutoInvalData |
        FuseInitFlag.DoReaddirplus |
        FuseInitFlag.ReaddirplusAuto |
        FuseInitFlag.ParallelDirops |
        FuseInitFlag.MaxPages,
      maxBackground: 0,
      congestionThreshold: 0,
      maxWrite: 131_072,
      timeGran: 1,
      maxPages: 256,
      mapAlignment: 0,
      flags2: 0,
    });
  });

  test(`a file is read, in any segments of memory and of the file: packed ${packed}`, (t) => {
    const path = temporaryFolder(t);
    const content = randomBytes(300_000);
    writeFileSync(join(path, "file"), content);
    const guest = guestOf(t, path, { packed });
    const nodeid = guest.node("file");
    const fh = guest.open(nodeid);
    const cuts: readonly (readonly number[])[] = [
      [16 + 10_000],
      [16, 10_000],
      [1, 2, 13, 9999, 1],
      [8, 4096, 4096, 1816],
      [16, ...Array.from({ length: 20 }, () => 500)],
    ];
    for (const writableCuts of cuts) {
      for (const offset of [0, 1, 4095, 289_999, 290_000, 295_000, 300_000, 1e9]) {
        const { used, body } = guest.read(nodeid, fh, BigInt(offset), 10_000, { writableCuts });
        const wanted = content.subarray(offset, offset + 10_000);
        assert.equal(used, 16 + wanted.length);
        assert.ok(wanted.equals(body), `${writableCuts.join()} at ${offset}`);
      }
    }
    assert.ok(content.equals(guest.read(nodeid, fh, 0n, 1 << 20).body), "in one read");
    assert.equal(guest.release(nodeid, fh), 0);
    assert.equal(guest.read(nodeid, fh, 0n, 10).error, -Errno.EBADF, "it is closed");
  });
}

test("all bytes of a reply are marked in the dirty log", (t) => {
  const path = temporaryFolder(t);
  writeFileSync(join(path, "file"), randomBytes(20_000));
  const guest = guestOf(t, path);
  const nodeid = guest.node("file");
  const fh = guest.open(nodeid);
  const wrote = t.mock.method(Window.prototype, "wrote");
  for (const writableCuts of [[16 + 10_000], [10, 6, 9000, 1000], [16, 10_000]]) {
    wrote.mock.resetCalls();
    assert.equal(guest.read(nodeid, fh, 5n, 10_000, { writableCuts }).used, 10_016);
    const marked = wrote.mock.calls.reduce((sum, { arguments: [, length] }) => sum + length, 0);
    assert.equal(marked, 10_016);
  }
});

test("a request may be cut into descriptors at any byte", (t) => {
  const path = temporaryFolder(t);
  writeFileSync(join(path, "name"), "");
  const guest = guestOf(t, path);
  const args = Buffer.from("name\0");
  for (const readableCuts of [[45], [40, 5], [1, 44], Array.from({ length: 45 }, () => 1)]) {
    const { error } = guest.call({ opcode: FuseOpcode.Lookup, nodeid: 1n, args, readableCuts });
    assert.equal(error, 0);
  }
});

test("attributes are those of the file, also times before 1970", (t) => {
  const path = temporaryFolder(t);
  const file = join(path, "file");
  writeFileSync(file, "12345");
  const guest = guestOf(t, path);
  const found = guest.lookup(1n, "file");
  assert.ok(typeof found !== "number");
  const { attr } = found;
  const real = statSync(file, { bigint: true });
  assert.deepEqual(
    [attr.ino, attr.size, attr.mode, attr.uid, attr.nlink, attr.mtime, attr.mtimensec],
    [
      real.ino,
      5n,
      Number(real.mode),
      Number(real.uid),
      1,
      real.mtimeNs / 1_000_000_000n,
      Number(real.mtimeNs % 1_000_000_000n),
    ],
  );
  const args = new Uint8Array(16);
  const { body } = guest.call({ opcode: FuseOpcode.Getattr, nodeid: found.nodeid, args });
  assert.deepEqual(attributesReply.read(viewOf(body), 0, true).attr, attr);
  const { body: space } = guest.call({ opcode: FuseOpcode.Statfs, nodeid: 1n });
  assert.ok(statfs.read(viewOf(space), 0, true).blocks > 0n);
});

/** All entries, read with room for `size` bytes at a time. */
function listAll(guest: FsGuest, nodeid: bigint, size: number, plus: boolean): DirectoryEntry[] {
  const fh = guest.open(nodeid, { folder: true });
  const all: DirectoryEntry[] = [];
  for (let offset = 0n; ;) {
    const args = encodeStruct(readRequest, { fh, offset, size });
    const opcode = plus ? FuseOpcode.Readdirplus : FuseOpcode.Readdir;
    const { error, body } = guest.call({ opcode, nodeid, args, writable: 16 + size });
    assert.equal(error, 0);
    assert.ok(body.length <= size);
    const entries = plus ? decodeDirentsPlus(body) : decodeDirents(body);
    const last = entries.at(-1);
    if (last === undefined) break;
    all.push(...entries);
    offset = last.off;
  }
  assert.equal(guest.release(nodeid, fh, true), 0);
  return all;
}

for (const plus of [false, true]) {
  test(`a folder of 1000 entries, names of any bytes, is listed whole: ${plus ? "READDIRPLUS" : "READDIR"}`, (t) => {
    const path = temporaryFolder(t);
    for (let i = 0; i < 1000; i += 1) {
      const name = Buffer.concat([Buffer.from(`${path}/${i}-`), Buffer.from([0x80 + (i % 128)])]);
      writeFileSync(name, "");
    }
    const names = readdirSync(path, { encoding: "buffer" }).map(nameText).sort();
    assert.equal(names.length, 1000);
    const guest = guestOf(t, path);
    for (const size of [400, 4096, 65_536, 1 << 20]) {
      const listed = listAll(guest, 1n, size, plus).map(({ name }) => nameText(name));
      assert.deepEqual(listed.sort(), [".", "..", ...names].sort(), `${size} bytes at a time`);
    }
    // An entry is found again from where the one before it said.
    const [first, second, third] = listAll(guest, 1n, 4096, false);
    const fh = guest.open(1n, { folder: true });
    const args = encodeStruct(readRequest, { fh, offset: second?.off ?? 0n, size: 4096 });
    const { body } = guest.call({ opcode: FuseOpcode.Readdir, nodeid: 1n, args });
    assert.deepEqual(decodeDirents(body)[0], third);
    assert.notDeepEqual(first, second);
  });
}

test("READDIRPLUS looks entries up and counts that; '.' and '..' are not", (t) => {
  const path = temporaryFolder(t);
  writeFileSync(join(path, "file"), "12345");
  const folder = shareFolder(t, path);
  const guest = new FsGuest({ folder });
  guest.init();
  const entries = listAll(guest, 1n, 4096, true);
  assert.equal(folder.descriptors, 1);
  const plus = entries as ReturnType<typeof decodeDirentsPlus>;
  const byName = new Map(plus.map((each) => [nameText(each.name), each]));
  assert.equal(byName.get(".")?.entry.nodeid, 0n);
  assert.equal(byName.get("..")?.entry.nodeid, 0n);
  assert.equal(byName.get("..")?.ino, statSync(path, { bigint: true }).ino, "nothing is above");
  const found = byName.get("file")?.entry;
  assert.equal(found?.attr.size, 5n);
  assert.equal(guest.node("file"), found?.nodeid);
  guest.forget(found?.nodeid ?? 0n, 1n);
  assert.equal(folder.descriptors, 1, "found twice, forgotten once");
  guest.forget(found?.nodeid ?? 0n, 1n);
  assert.equal(folder.descriptors, 0);
});

test("an entry that does not fit is an error, and no end", (t) => {
  const path = temporaryFolder(t);
  const guest = guestOf(t, path);
  const fh = guest.open(1n, { folder: true });
  const list = (size: number, writable: number) =>
    guest.call({
      opcode: FuseOpcode.Readdir,
      nodeid: 1n,
      args: encodeStruct(readRequest, { fh, offset: 0n, size }),
      writable,
    }).error;
  assert.equal(list(31, 4096), -Errno.EINVAL);
  assert.equal(list(4096, 16 + 31), -Errno.EINVAL, "nor beyond the room that there is");
  assert.equal(list(32, 48), 0);
});

test("what would change something is EROFS, and nothing changes", (t) => {
  const path = temporaryFolder(t);
  const file = join(path, "file");
  writeFileSync(file, "as it was");
  const before = statSync(file, { bigint: true });
  const guest = guestOf(t, path);
  const nodeid = guest.node("file");
  const { Setattr, Symlink, Mknod, Mkdir, Unlink, Rmdir, Rename, Link, Write } = FuseOpcode;
  const { Setxattr, Removexattr, Create, Fallocate, Rename2, CopyFileRange, Tmpfile } = FuseOpcode;
  for (const opcode of [
    Setattr,
    Symlink,
    Mknod,
    Mkdir,
    Unlink,
    Rmdir,
    Rename,
    Link,
    Write,
    Setxattr,
    Removexattr,
    Create,
    Fallocate,
    Rename2,
    CopyFileRange,
    Tmpfile,
  ]) {
    const args = Buffer.alloc(100);
    assert.equal(guest.call({ opcode, nodeid, args }).error, -Errno.EROFS, `opcode ${opcode}`);
  }
  for (const flags of [1, 2, 3, 0o1000, 0o1002]) {
    assert.equal(guest.open(nodeid, { flags }), BigInt(-Errno.EROFS), `open with ${flags}`);
  }
  assert.equal(readFileSync(file, "utf8"), "as it was");
  const after = statSync(file, { bigint: true });
  assert.deepEqual([after.mtimeNs, after.ctimeNs], [before.mtimeNs, before.ctimeNs]);
  assert.deepEqual(readdirSync(path), ["file"]);
});

test("a second INIT starts again and DESTROY ends: nothing of before is there", (t) => {
  const path = temporaryFolder(t);
  writeFileSync(join(path, "file"), "x");
  const folder = shareFolder(t, path);
  const guest = new FsGuest({ folder });
  assert.equal(guest.lookup(1n, "file"), -Errno.EIO, "before INIT");
  assert.equal(guest.call({ opcode: FuseOpcode.Destroy }).error, -Errno.EIO);
  guest.init();
  const nodeid = guest.node("file");
  const fh = guest.open(nodeid);
  assert.equal(folder.descriptors, 2);
  guest.init();
  assert.equal(folder.descriptors, 0);
  assert.equal(guest.read(nodeid, fh, 0n, 1).error, -Errno.EBADF);
  guest.open(guest.node("file"));
  assert.equal(guest.call({ opcode: FuseOpcode.Destroy }).error, 0);
  assert.equal(folder.descriptors, 0);
  assert.equal(guest.lookup(1n, "file"), -Errno.EIO);
  guest.init();
  guest.node("file");
  capability(guest.device, "lifecycle").reset?.();
  assert.equal(folder.descriptors, 0);
  assert.equal(guest.lookup(1n, "file"), -Errno.EIO, "after a reset of the device");
});

test("a driver of the other byte order is answered in its own", (t) => {
  const path = temporaryFolder(t);
  writeFileSync(join(path, "file"), "12345");
  const guest = new FsGuest({ folder: shareFolder(t, path) });
  const { body } = guest.init({ little: false });
  assert.equal(initReply.read(viewOf(body), 0, false).minor, 38);
  const args = Buffer.from("file\0");
  const found = guest.call({ opcode: FuseOpcode.Lookup, nodeid: 1n, args, little: false });
  assert.equal(found.error, 0);
  assert.equal(viewOf(found.body).getBigUint64(48, false), 5n, "the size of the file");
  guest.init();
  assert.equal(guest.node("file"), 2n, "another INIT, another order");
});

test("symbolic links are given as they are, and never followed", (t) => {
  const parent = temporaryFolder(t);
  const path = join(parent, "shared");
  mkdirSync(join(path, "real"), { recursive: true });
  writeFileSync(join(parent, "secret"), "outside");
  const targets = { up: "../secret", root: "/", folder: "real", loop: "loop", above: ".." };
  for (const [name, target] of Object.entries(targets)) symlinkSync(target, join(path, name));
  const guest = guestOf(t, path);
  for (const [name, target] of Object.entries(targets)) {
    const found = guest.lookup(1n, name);
    assert.ok(typeof found !== "number");
    const { nodeid, attr } = found;
    assert.equal(attr.mode & S_IFMT, FileType.Link);
    const { body } = guest.call({ opcode: FuseOpcode.Readlink, nodeid });
    assert.equal(Buffer.from(body).toString(), target);
    assert.equal(guest.open(nodeid), BigInt(-Errno.ELOOP));
    assert.equal(guest.open(nodeid, { folder: true }), BigInt(-Errno.ENOTDIR));
    for (const inside of ["secret", "etc", "real", "shared"]) {
      assert.equal(guest.lookup(nodeid, inside), -Errno.ENOTDIR);
    }
    const small = guest.call({ opcode: FuseOpcode.Readlink, nodeid, writable: 16 });
    assert.equal(small.error, -Errno.EINVAL);
  }
  assert.equal(guest.call({ opcode: FuseOpcode.Readlink, nodeid: 1n }).error, -Errno.EINVAL);
});

test("the configuration space has tag and queues, and cannot be written", (t) => {
  const folder = shareFolder(t, temporaryFolder(t));
  const device = new FsDevice({ folder, tag: "files", queues: 3 });
  const bytes = new Uint8Array(capability(device, "config").size);
  capability(device, "config").read(0, bytes);
  assert.deepEqual(decodeFsConfig(bytes), { tag: "files", numRequestQueues: 3 });
  assert.equal(device.maxQueues, 4);
  assert.equal(capability(device, "config").write(0, bytes, "driver"), true);
  assert.equal(capability(device, "config").write(0, Uint8Array.of(0), "migration"), false);
  for (const queues of [0, 256, 1.5]) {
    assert.throws(() => new FsDevice({ folder, queues }), UsageError);
  }
  assert.throws(() => new FsDevice({ folder, tag: "" }), UsageError);
});
