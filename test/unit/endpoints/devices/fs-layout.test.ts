import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ProtocolError, UsageError } from "../../../../src/core/base/index.ts";
import {
  decodeFsConfig,
  encodeFsConfig,
  FS_CONFIG_SIZE,
} from "../../../../src/endpoints/devices/fs/config.ts";
import {
  decodeDirents,
  decodeDirentsPlus,
  direntPlusSize,
  direntSize,
  writeDirent,
} from "../../../../src/endpoints/devices/fs/directory-entry.ts";
import { errnoName } from "../../../../src/endpoints/devices/fs/errno.ts";
import * as layout from "../../../../src/endpoints/devices/fs/layout.ts";
import { isEntryName, nameText, pathNames } from "../../../../src/endpoints/devices/fs/names.ts";
import { FuseOpcode, fuseOpcodeName } from "../../../../src/endpoints/devices/fs/opcodes.ts";
import { encodeStruct, type Struct, viewOf } from "../../../../src/endpoints/devices/fs/wire.ts";

const bytesOf = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));

/** Bytes `first` to `last` as a little-endian number: what is there in the golden structures. */
function counted(first: number, last: number): bigint {
  let value = 0n;
  for (let byte = last; byte >= first; byte -= 1) value = (value << 8n) | BigInt(byte);
  return value;
}
const small = (first: number, last: number): number => Number(counted(first, last));

/** struct fuse_attr whose first byte is `n`. */
const attr = (n: number): layout.FuseAttributes => ({
  ino: counted(n, n + 7),
  size: counted(n + 8, n + 15),
  blocks: counted(n + 16, n + 23),
  atime: counted(n + 24, n + 31),
  mtime: counted(n + 32, n + 39),
  ctime: counted(n + 40, n + 47),
  atimensec: small(n + 48, n + 51),
  mtimensec: small(n + 52, n + 55),
  ctimensec: small(n + 56, n + 59),
  mode: small(n + 60, n + 63),
  nlink: small(n + 64, n + 67),
  uid: small(n + 68, n + 71),
  gid: small(n + 72, n + 75),
  rdev: small(n + 76, n + 79),
  blksize: small(n + 80, n + 83),
  flags: small(n + 84, n + 87),
});

interface Golden {
  readonly name: string;
  readonly struct: Struct<object>;
  readonly bytes: Uint8Array;
  readonly value: object;
}

function row<T extends object>(name: string, struct: Struct<T>, hex: string, value: T): Golden {
  return { name, struct: struct as unknown as Struct<object>, bytes: bytesOf(hex), value };
}

// Made by a C program over linux/fuse.h 7.38 (Debian 12): the fields' bytes are counted from 1 on, in
// the order of the header; what no field of ours covers is 0.
const golden = [
  row(
    "fuse_in_header",
    layout.requestHeader,
    "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232400000000",
    {
      len: small(1, 4),
      opcode: small(5, 8),
      unique: counted(9, 16),
      nodeid: counted(17, 24),
      uid: small(25, 28),
      gid: small(29, 32),
      pid: small(33, 36),
    },
  ),
  row("fuse_out_header", layout.replyHeader, "0102030405060708090a0b0c0d0e0f10", {
    len: small(1, 4),
    error: small(5, 8),
    unique: counted(9, 16),
  }),
  row(
    "fuse_init_in",
    layout.initRequest,
    `0102030405060708090a0b0c0d0e0f1011121314${"00".repeat(44)}`,
    {
      major: small(1, 4),
      minor: small(5, 8),
      maxReadahead: small(9, 12),
      flags: small(13, 16),
      flags2: small(17, 20),
    },
  ),
  row(
    "fuse_init_out",
    layout.initReply,
    `0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f2021222324${"00".repeat(28)}`,
    {
      major: small(1, 4),
      minor: small(5, 8),
      maxReadahead: small(9, 12),
      flags: small(13, 16),
      maxBackground: small(17, 18),
      congestionThreshold: small(19, 20),
      maxWrite: small(21, 24),
      timeGran: small(25, 28),
      maxPages: small(29, 30),
      mapAlignment: small(31, 32),
      flags2: small(33, 36),
    },
  ),
  row(
    "fuse_attr",
    layout.attributes,
    "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758",
    attr(1),
  ),
  row(
    "fuse_entry_out",
    layout.entry,
    "0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f80",
    {
      nodeid: counted(1, 8),
      generation: counted(9, 16),
      entryValid: counted(17, 24),
      attrValid: counted(25, 32),
      entryValidNsec: small(33, 36),
      attrValidNsec: small(37, 40),
      attr: attr(41),
    },
  ),
  row(
    "fuse_attr_out",
    layout.attributesReply,
    "0102030405060708090a0b0c000000000d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f505152535455565758595a5b5c5d5e5f6061626364",
    { attrValid: counted(1, 8), attrValidNsec: small(9, 12), attr: attr(13) },
  ),
  row("fuse_getattr_in", layout.getattrRequest, "010203040000000005060708090a0b0c", {
    flags: small(1, 4),
    fh: counted(5, 12),
  }),
  row("fuse_open_in", layout.openRequest, "0102030400000000", { flags: small(1, 4) }),
  row("fuse_open_out", layout.openReply, "0102030405060708090a0b0c00000000", {
    fh: counted(1, 8),
    openFlags: small(9, 12),
  }),
  row(
    "fuse_read_in",
    layout.readRequest,
    `0102030405060708090a0b0c0d0e0f1011121314${"00".repeat(20)}`,
    { fh: counted(1, 8), offset: counted(9, 16), size: small(17, 20) },
  ),
  row("fuse_release_in", layout.releaseRequest, `0102030405060708${"00".repeat(16)}`, {
    fh: counted(1, 8),
  }),
  row("fuse_forget_in", layout.forgetRequest, "0102030405060708", { nlookup: counted(1, 8) }),
  row("fuse_batch_forget_in", layout.batchForgetRequest, "0102030400000000", {
    count: small(1, 4),
  }),
  row("fuse_forget_one", layout.forgetOne, "0102030405060708090a0b0c0d0e0f10", {
    nodeid: counted(1, 8),
    nlookup: counted(9, 16),
  }),
  row(
    "fuse_kstatfs",
    layout.statfs,
    `0102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f202122232425262728292a2b2c2d2e2f3031323334${"00".repeat(28)}`,
    {
      blocks: counted(1, 8),
      bfree: counted(9, 16),
      bavail: counted(17, 24),
      files: counted(25, 32),
      ffree: counted(33, 40),
      bsize: small(41, 44),
      namelen: small(45, 48),
      frsize: small(49, 52),
    },
  ),
];

for (const { name, struct, bytes, value } of golden) {
  test(`struct ${name} is as linux/fuse.h has it, in either byte order`, () => {
    assert.equal(struct.size, bytes.length);
    assert.deepEqual(struct.read(viewOf(bytes), 0, true), value);
    assert.deepEqual(encodeStruct(struct, value), bytes);
    const swapped = encodeStruct(struct, value, false);
    assert.deepEqual(struct.read(viewOf(swapped), 0, false), value);
    assert.notDeepEqual(swapped, bytes);
  });
}

// What Linux 6.1 sent to our device, through QEMU 7.2.
const requests = {
  init: "680000001a0000000200000000000000000000000000000000000000000000000000000000000000070000002600000000000200fbffff7b0b0000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
  lookup: "2a0000000100000024000000000000000100000000000000000000000000000062000000000000007800",
  readdirplus:
    "500000002c0000000a00000000000000010000000000000000000000000000005e000000000000000100000000000000ffffffffffffff7f001000000000000000000000000000000088010000000000",
  forget:
    "30000000020000002a000000000000000200000000000000000000000000000000000000000000000100000000000000",
};

test("requests of a Linux guest, as recorded", () => {
  const init = viewOf(bytesOf(requests.init));
  assert.deepEqual(layout.requestHeader.read(init, 0, true), {
    len: 104,
    opcode: FuseOpcode.Init,
    unique: 2n,
    nodeid: 0n,
    uid: 0,
    gid: 0,
    pid: 0,
  });
  const { major, minor, maxReadahead, flags } = layout.initRequest.read(init, 40, true);
  assert.deepEqual([major, minor, maxReadahead], [7, 38, 131_072]);
  assert.equal(flags & layout.FuseInitFlag.MaxPages, layout.FuseInitFlag.MaxPages);
  const lookup = bytesOf(requests.lookup);
  assert.deepEqual(lookup.subarray(40), bytesOf("7800"), "a name with its NUL");
  const { len, nodeid, pid } = layout.requestHeader.read(viewOf(lookup), 0, true);
  assert.deepEqual([len, nodeid, pid], [42, 1n, 98]);
  const list = layout.readRequest.read(viewOf(bytesOf(requests.readdirplus)), 40, true);
  assert.deepEqual(list, { fh: 1n, offset: 0x7fff_ffff_ffff_ffffn, size: 4096 });
  const forget = layout.forgetRequest.read(viewOf(bytesOf(requests.forget)), 40, true);
  assert.deepEqual(forget, { nlookup: 1n });
});

// What virtiofsd 7.2 answered to our driver, behind the header.
const replies = {
  init: "07000000240000000000020021204400000000000000100001000000000100000000000000000000000000000000000000000000000000000000000000000000",
  readdir:
    "a920210000000000a2a9edf6c1f9eb4d01000000040000002e00000000000000ac2021000000000025aac3e2559c704e040000000a0000006c696e6b00000000ab20210000000000a46108c24fdecc5404000000080000006e6f746500000000aa202100000000001eba4030d7643a5803000000040000007375620000000000a920210000000000ffffffffffffff7f02000000040000002e2e000000000000",
  readdirplus:
    "00000000000000000000000000000000000000000000000000000000000000000000000000000000a9202100000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000400000000000000000000000000000000000000000000000000000a920210000000000a2a9edf6c1f9eb4d01000000040000002e0000000000000003000000000000000000000000000000010000000000000001000000000000000000000000000000ac2021000000000004000000000000000000000000000000ac68076b00000000a268076b00000000a268076b0000000001e009332ac424172ac42417ffa10000010000000000000000000000000000000010000000000000ac2021000000000025aac3e2559c704e040000000a0000006c696e6b00000000",
};

test("replies of virtiofsd, as recorded", () => {
  const init = layout.initReply.read(viewOf(bytesOf(replies.init)), 0, true);
  assert.deepEqual([init.major, init.minor, init.maxWrite, init.maxPages], [7, 36, 1 << 20, 256]);
  const listed = decodeDirents(bytesOf(replies.readdir));
  assert.deepEqual(
    listed.map(({ name, type }) => [nameText(name), type]),
    [
      [".", 4],
      ["link", 10],
      ["note", 8],
      ["sub", 4],
      ["..", 4],
    ],
  );
  assert.equal(listed[1]?.off, 0x4e70_9c55_e2c3_aa25n);
  const [dot, link] = decodeDirentsPlus(bytesOf(replies.readdirplus));
  assert.equal(dot?.entry.nodeid, 0n);
  assert.equal(link?.entry.nodeid, 3n);
  assert.equal((link?.entry.attr.mode ?? 0) & layout.S_IFMT, layout.FileType.Link);
  assert.equal(link?.entry.attr.size, 4n);
  assert.equal(nameText(link?.name ?? new Uint8Array()), "link");
});

test("entries of a folder are padded to 8 bytes and read back, in either byte order", () => {
  const name = fc
    .uint8Array({ minLength: 1, maxLength: 255 })
    .filter((bytes) => isEntryName(bytes));
  const u64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
  const dirent = fc.record(
    { ino: u64, off: u64, type: fc.nat(15), name },
    { noNullPrototype: true },
  );
  fc.assert(
    fc.property(fc.array(dirent, { maxLength: 8 }), fc.boolean(), (entries, little) => {
      const size = entries.reduce((sum, each) => sum + direntSize(each.name.length), 0);
      assert.equal(size % 8, 0);
      const bytes = new Uint8Array(size).fill(0xee);
      let at = 0;
      for (const each of entries) {
        writeDirent(bytes, at, each, little);
        at += direntSize(each.name.length);
      }
      assert.deepEqual(decodeDirents(bytes, little), entries);
    }),
  );
  assert.deepEqual([direntSize(1), direntSize(8), direntSize(9)], [32, 32, 40]);
  assert.equal(direntPlusSize(1), 160);
});

/** A listing of one entry, with bytes changed. */
function listing(name: string, change: (view: DataView) => void = () => undefined): Uint8Array {
  const bytes = new Uint8Array(direntSize(name.length));
  writeDirent(bytes, 0, { ino: 1n, off: 1n, type: 8, name: Buffer.from(name) }, true);
  change(viewOf(bytes));
  return bytes;
}

const badListings: readonly (readonly [string, Uint8Array, RegExp])[] = [
  ["an empty name", listing("a", (view) => view.setUint32(16, 0, true)), /got 0 bytes/],
  [
    "a name that leads out of the reply",
    listing("a", (view) => view.setUint32(16, 9, true)),
    /inside of the reply, got 9 bytes/,
  ],
  [
    "a name of 4 GiB",
    listing("a", (view) => view.setUint32(16, 0xffff_ffff, true)),
    /got 4294967295 bytes/,
  ],
  ["a name with a slash", listing("a/b"), /a name without '\/' and NUL, got 612f62/],
  ["a name with a NUL", listing("a\0b"), /a name without '\/' and NUL, got 610062/],
  ["half an entry at the end", listing("a").subarray(0, 20), /20 bytes behind the last one/],
];
for (const [what, bytes, says] of badListings) {
  test(`a listing with ${what} is refused`, () => {
    assert.throws(
      () => decodeDirents(bytes),
      (error: Error) => error instanceof ProtocolError && says.test(error.message),
    );
    const plus = new Uint8Array(128 + bytes.length);
    plus.set(bytes, 128);
    assert.throws(() => decodeDirentsPlus(plus), ProtocolError);
  });
}

test("random bytes as a listing cause nothing but protocol errors", () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.boolean(), (bytes, plus) => {
      try {
        if (plus) decodeDirentsPlus(bytes);
        else decodeDirents(bytes);
      } catch (error) {
        assert.ok(error instanceof ProtocolError);
      }
    }),
  );
});

test("the configuration space: tag of 36 bytes, number of request queues", () => {
  const bytes = encodeFsConfig({ tag: "shared", numRequestQueues: 0x0102_0304 });
  assert.equal(bytes.length, FS_CONFIG_SIZE);
  assert.deepEqual(bytes, bytesOf(`736861726564${"00".repeat(30)}04030201`));
  assert.deepEqual(decodeFsConfig(bytes), { tag: "shared", numRequestQueues: 0x0102_0304 });
  const longest = "é".repeat(18);
  const full = encodeFsConfig({ tag: longest, numRequestQueues: 1 });
  assert.equal(decodeFsConfig(full).tag, longest, "36 bytes are not terminated");
  const notify = new Uint8Array(44);
  notify.set(bytes);
  notify[40] = 7;
  assert.equal(decodeFsConfig(notify).notifyBufSize, 7);
  for (const tag of ["", "é".repeat(19), "a\0b"]) {
    assert.throws(() => encodeFsConfig({ tag, numRequestQueues: 1 }), UsageError);
  }
});

test("names: any bytes but '/' and NUL, neither '.' nor '..'", () => {
  for (const name of ["a", "...", ".a", "a b", "\n", "é"]) {
    assert.equal(isEntryName(Buffer.from(name)), true, name);
  }
  for (const name of ["", ".", "..", "/", "a/b", "../x", "a\0", "\0"]) {
    assert.equal(isEntryName(Buffer.from(name)), false, JSON.stringify(name));
  }
});

test("names as text: printable where they are, \\xNN where not; any name reads back", () => {
  const text = (...bytes: number[]): string => nameText(Uint8Array.from(bytes));
  assert.equal(nameText(Buffer.from("日本語 é😀")), "日本語 é😀");
  assert.equal(text(0x61, 0xff, 0x62), "a\\xffb");
  assert.equal(text(0x5c), "\\x5c");
  assert.equal(text(0x1b, 0x5b, 0x32, 0x4a), "\\x1b[2J", "no terminal is driven");
  assert.equal(nameText(Buffer.from("a\u202eb")), "a\\xe2\\x80\\xaeb", "nor text turned round");
  assert.equal(text(0xe2, 0x82), "\\xe2\\x82", "a character that is cut off");
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (bytes) => {
      fc.pre(isEntryName(bytes));
      assert.deepEqual(pathNames(nameText(bytes)), [Buffer.from(bytes)]);
    }),
  );
});

test("paths: names between slashes; '..' and broken escapes are refused", () => {
  const names = (path: string): string[] => pathNames(path).map((name) => nameText(name));
  assert.deepEqual(names("/"), []);
  assert.deepEqual(names(""), []);
  assert.deepEqual(names("//a/./b//"), ["a", "b"]);
  for (const path of ["/..", "a/../b", "a\\", "a\\x", "a\\xg0", "a\\x00", "a\\x2fb", "a\\n"]) {
    assert.throws(() => pathNames(path), UsageError, path);
  }
});

test("error numbers and requests by name", () => {
  assert.deepEqual([2, 5, 30, 116].map(errnoName), ["ENOENT", "EIO", "EROFS", "ESTALE"]);
  assert.equal(errnoName(4000), "errno 4000");
  assert.equal(fuseOpcodeName(44), "FUSE_READDIRPLUS");
  assert.equal(fuseOpcodeName(42), "FUSE_BATCH_FORGET");
  assert.equal(fuseOpcodeName(4000), "FUSE opcode 4000");
});
