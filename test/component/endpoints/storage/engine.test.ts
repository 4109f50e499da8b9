import assert from "node:assert/strict";
import {
  closeSync,
  ftruncateSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { constants, tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { asError, EnvironmentError } from "../../../../src/core/base/index.ts";
import { GuestMemory, SpanList, Window } from "../../../../src/core/memory/index.ts";
import { addon, EventFd, Mapping, SharedMemory } from "../../../../src/core/os/index.ts";
import {
  BlockStorage,
  chooseEngine,
  createEngine,
  type EngineName,
  IoKind,
  IoRequest,
  type StorageEngine,
} from "../../../../src/endpoints/storage/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { GIB } from "../../support/memory.ts";
import { uringSkip } from "../../../support/uring.ts";

guardLeaks();

const SIZE = 4 << 20;
const skip = uringSkip();
const CONTENT = Uint8Array.from({ length: SIZE }, (_, i) => Math.floor(i / 512) % 251);
const NO_FDS = new Int32Array(0);
const { EFAULT, EIO } = constants.errno;

interface Bench {
  readonly path: string;
  readonly storage: BlockStorage;
  readonly engine: StorageEngine;
  readonly window: Window;
  readonly memory: SharedMemory;
  readonly done: IoRequest[];
  /** Starts requests, and waits until all have completed. */
  run(...requests: readonly IoRequest[]): Promise<void>;
}

interface Options {
  readonly direct?: boolean;
  readonly onEventLoop?: boolean;
}

/** An image whose 512-byte block n holds the byte n % 251, and memory full of 0xee. */
function makeBench(t: TestContext, name: EngineName, options: Options = {}): Bench {
  const folder = mkdtempSync(join(tmpdir(), "vhost-user-engine-"));
  const path = join(folder, "image");
  writeFileSync(path, CONTENT);
  const { direct = false, onEventLoop = name === "threads" } = options;
  const storage = BlockStorage.open(path, { direct });
  const memory = SharedMemory.create("guest", SIZE);
  const mapping = Mapping.map(memory.fd.fd, { offset: 0, length: SIZE, writable: true });
  const window = new Window(mapping);
  window.bytes.fill(0xee);
  const done: IoRequest[] = [];
  let batch: () => void = () => undefined;
  const onBatch = onEventLoop ? () => batch() : undefined;
  const engine = createEngine(name, { storage, onDone: (each) => done.push(each), onBatch });
  t.after(() => {
    engine.close();
    mapping.unmap();
    memory.close();
    storage.close();
    rmSync(folder, { recursive: true });
  });
  const run = async (...requests: readonly IoRequest[]): Promise<void> => {
    for (const request of requests) if (engine.start(request)) done.push(request);
    engine.submit();
    engine.collect();
    while (engine.inFlight > 0) {
      if (onEventLoop) await new Promise<void>((resolve) => (batch = resolve));
      else engine.wait(NO_FDS, NO_FDS, -1);
    }
  };
  return { path, storage, engine, window, memory, done, run };
}

/** The reason why O_DIRECT cannot be tested where temporary files are; false if it can. */
function directSkip(): string | false {
  const folder = mkdtempSync(join(tmpdir(), "vhost-user-direct-"));
  try {
    writeFileSync(join(folder, "image"), new Uint8Array(4096));
    BlockStorage.open(join(folder, "image"), { direct: true }).close();
    return false;
  } catch (error) {
    return `no direct I/O in ${tmpdir()}: ${asError(error).message}`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const noDirect = directSkip();
let slots = 0;

/** @param spans offset and length of each */
function move(
  { window }: Bench,
  kind: IoKind,
  position: number,
  ...spans: readonly (readonly [number, number])[]
): IoRequest {
  const list = new SpanList();
  for (const [offset, length] of spans) list.push(window, offset, length);
  const request = new IoRequest((slots += 1), list);
  request.kind = kind;
  request.position = position;
  request.length = spans.reduce((sum, [, length]) => sum + length, 0);
  request.seek(0, 0);
  return request;
}

function change(kind: IoKind, position: number, length: number): IoRequest {
  const request = new IoRequest((slots += 1), new SpanList());
  request.kind = kind;
  request.position = position;
  request.length = length;
  return request;
}

function blocks(position: number, length: number): Uint8Array {
  return CONTENT.slice(position, position + length);
}

interface Setting extends Options {
  readonly name: EngineName;
}

const settings: readonly Setting[] = [
  { name: "sync" },
  { name: "sync", direct: true },
  { name: "sync", onEventLoop: true },
  { name: "threads" },
  { name: "threads", direct: true },
  { name: "uring" },
  { name: "uring", direct: true },
  { name: "uring", onEventLoop: true },
  { name: "uring", onEventLoop: true, direct: true },
];

for (const setting of settings) {
  const { name } = setting;
  const how = `${name}${setting.direct ? ", O_DIRECT" : ""}${setting.onEventLoop ? ", on an event loop" : ""}`;
  const options = {
    skip: (name === "uring" && skip) || (setting.direct === true && noDirect),
  };

  test(`${how}: reads and writes of one and of several segments`, options, async (t) => {
    const bench = makeBench(t, name, setting);
    const { window, done } = bench;
    await bench.run(
      move(bench, IoKind.Read, 0, [0, 4096]),
      move(bench, IoKind.Read, 8192, [8192, 512], [16_384, 3584]),
      // Neither the memory nor the segments are aligned.
      move(bench, IoKind.Read, 4096, [32_769, 1000], [40_001, 100_000 - 1000 + 352]),
    );
    assert.deepEqual(
      done.map(({ error }) => error),
      [0, 0, 0],
    );
    assert.deepEqual(window.bytes.slice(0, 4096), blocks(0, 4096));
    assert.deepEqual(window.bytes.slice(8192, 8704), blocks(8192, 512));
    assert.deepEqual(window.bytes.slice(16_384, 16_384 + 3584), blocks(8704, 3584));
    assert.deepEqual(window.bytes.slice(32_769, 33_769), blocks(4096, 1000));
    assert.deepEqual(window.bytes.slice(40_001, 139_353), blocks(5096, 99_352));
    assert.equal(window.bytes[32_768], 0xee);
    assert.equal(window.bytes[33_769], 0xee);
    window.bytes.fill(7, 0, 4096);
    window.bytes.fill(8, 100_001, 170_001);
    await bench.run(
      move(bench, IoKind.Write, 1 << 20, [0, 512], [1024, 512]),
      move(bench, IoKind.Write, 2 << 20, [100_001, 69_632]),
    );
    await bench.run(change(IoKind.Flush, 0, 0));
    const file = readFileSync(bench.path);
    assert.ok(file.subarray(1 << 20, (1 << 20) + 1024).every((byte) => byte === 7));
    assert.ok(file.subarray(2 << 20, (2 << 20) + 69_632).every((byte) => byte === 8));
    assert.equal(file[(2 << 20) + 69_632], blocks((2 << 20) + 69_632, 1)[0]);
  });

  test(
    `${how}: more requests than a ring has entries, and more segments than a call takes`,
    options,
    async (t) => {
      const bench = makeBench(t, name, setting);
      const many = Array.from({ length: 700 }, (_, i) =>
        move(bench, IoKind.Read, (i * 7 * 512) % (SIZE - 512), [i * 512, 512]),
      );
      await bench.run(...many);
      assert.equal(bench.done.length, 700);
      for (const { error } of bench.done) assert.equal(error, 0);
      for (let i = 0; i < 700; i += 1)
        assert.equal(bench.window.bytes[i * 512], blocks((i * 7 * 512) % (SIZE - 512), 1)[0]);
      const spans = Array.from({ length: 300 }, (_, i) => [i * 1024, 512] as const);
      await bench.run(move(bench, IoKind.Read, 512, ...spans));
      for (let i = 0; i < 300; i += 1)
        assert.equal(bench.window.bytes[i * 1024 + 511], blocks(512 + i * 512, 1)[0]);
    },
  );

  test(`${how}: a file that ends early is an I/O error`, options, async (t) => {
    const bench = makeBench(t, name, setting);
    ftruncateSync(bench.storage.fd, 4096);
    await bench.run(
      move(bench, IoKind.Read, 0, [0, 8192]),
      move(bench, IoKind.Read, 8192, [0, 512]),
    );
    assert.deepEqual(
      bench.done.map(({ error }) => error),
      [EIO, EIO],
    );
  });

  test(`${how}: discards and zeroes change their range only`, options, async (t) => {
    const bench = makeBench(t, name, setting);
    const allocated = statSync(bench.path).blocks;
    await bench.run(change(IoKind.Zero, 4096, 8192));
    await bench.run(change(IoKind.Flush, 0, 0));
    assert.ok(statSync(bench.path).blocks >= allocated, "the range keeps its room");
    await bench.run(
      change(IoKind.ZeroAndFree, 1 << 20, 1 << 20),
      change(IoKind.Discard, 3 << 20, 1 << 20),
    );
    assert.ok(statSync(bench.path).blocks < allocated);
    for (const { error } of bench.done) assert.equal(error, 0);
    const file = readFileSync(bench.path);
    assert.ok(file.subarray(4096, 12_288).every((byte) => byte === 0));
    assert.ok(file.subarray(1 << 20, 2 << 20).every((byte) => byte === 0));
    assert.deepEqual(new Uint8Array(file.subarray(0, 4096)), blocks(0, 4096));
    assert.deepEqual(new Uint8Array(file.subarray(2 << 20, 3 << 20)), blocks(2 << 20, 1 << 20));
  });

  test(`${how}: zeroes are written where the file system cannot make them`, options, async (t) => {
    const bench = makeBench(t, name, setting);
    t.mock.method(addon(), "fallocate", () => -95);
    const request = change(IoKind.Zero, 512, 3 << 20);
    // As after EOPNOTSUPP, which a ring gets from the kernel.
    request.writesZeroes = true;
    await bench.run(request, change(IoKind.Discard, 0, 0));
    assert.equal(request.error, 0);
    const file = readFileSync(bench.path);
    assert.ok(file.subarray(512, 512 + (3 << 20)).every((byte) => byte === 0));
    assert.equal(file[512 + (3 << 20)], blocks(512 + (3 << 20), 1)[0]);
  });
}

for (const name of ["sync", "threads", "uring"] as const) {
  test(
    `${name}: memory that its peer truncated is EFAULT`,
    { skip: name === "uring" && skip },
    async (t) => {
      const bench = makeBench(t, name, {});
      const fd = addon().memfdCreate("truncated", 1);
      ftruncateSync(fd, 8192);
      const mapping = Mapping.map(fd, { offset: 0, length: 8192, writable: true });
      t.after(() => {
        mapping.unmap();
        closeSync(fd);
      });
      const gone = { ...bench, window: new Window(mapping) };
      ftruncateSync(fd, 0);
      await bench.run(
        move(gone, IoKind.Read, 0, [0, 4096]),
        move(gone, IoKind.Read, 0, [4096, 4096]),
      );
      assert.deepEqual(
        bench.done.map(({ error }) => error),
        [EFAULT, EFAULT],
      );
      assert.equal(mapping.broken, true);
    },
  );
}

for (const name of ["sync", "threads", "uring"] as const) {
  for (const direct of [false, true]) {
    const reason = (name === "uring" && skip) || (direct && noDirect);
    test(
      `${name}${direct ? ", direct" : ""}: memory behind the first 4 GiB of a region is the memory that is meant`,
      { skip: reason },
      async (t) => {
        const bench = makeBench(t, name, { direct });
        const memory = new GuestMemory({ size: 6 * GIB });
        t.after(() => memory.close());
        const [region] = memory.regions;
        assert.ok(region);
        // Two requests each time: a single one of a turn may be a plain system call.
        for (const at of [GIB + 8192, 4 * GIB - 4096, 4 * GIB, 5 * GIB + 8192]) {
          const { window, offset } = region.view(at, 8192);
          const there = { ...bench, window };
          await bench.run(
            move(there, IoKind.Read, 4096, [offset, 4096]),
            move(there, IoKind.Read, 8192, [offset + 4096, 2048], [offset + 6144, 2048]),
          );
          assert.deepEqual(window.bytes.slice(offset, offset + 8192), blocks(4096, 8192));
          window.bytes.fill(0xa5, offset, offset + 8192);
          await bench.run(
            move(there, IoKind.Write, 0, [offset, 4096]),
            move(there, IoKind.Write, 16384, [offset + 4096, 4096]),
          );
          const image = readFileSync(bench.path);
          assert.ok(image.subarray(0, 4096).every((byte) => byte === 0xa5));
          assert.ok(image.subarray(16384, 20480).every((byte) => byte === 0xa5));
        }
        assert.ok(bench.done.every(({ error }) => error === 0));
      },
    );
  }
}

test("uring: more completions than its ring holds are all taken", { skip }, async (t) => {
  const bench = makeBench(t, "uring", { onEventLoop: true });
  const requests = Array.from({ length: 5000 }, (_, i) =>
    move(bench, IoKind.Read, (i % 1024) * 4096, [(i % 1024) * 4096, 4096]),
  );
  await bench.run(...requests);
  assert.equal(bench.done.length, requests.length);
  assert.deepEqual(bench.window.bytes.slice(0, SIZE), CONTENT);
});

test("uring: one wait sees descriptors and completions", { skip }, (t) => {
  const { engine } = makeBench(t, "uring", { direct: true });
  using kick = EventFd.create();
  using other = EventFd.create();
  const ready = new Int32Array(2);
  const fds = Int32Array.of(-1, kick.descriptor.fd);
  engine.wait(fds, ready, 1000);
  assert.deepEqual([...ready], [0, 0]);
  kick.signal();
  engine.wait(fds, ready, -1);
  assert.deepEqual([...ready], [0, 1]);
  kick.drain();
  engine.wait(fds, ready, 1000);
  assert.deepEqual([...ready], [0, 0], "a drained descriptor is not ready again");
  engine.forgetWatched();
  kick.signal();
  engine.wait(Int32Array.of(other.descriptor.fd, -1), ready, 1000);
  assert.deepEqual([...ready], [0, 0], "a forgotten descriptor is not seen");
  other.signal();
  engine.wait(Int32Array.of(other.descriptor.fd, -1), ready, -1);
  assert.deepEqual([...ready], [1, 0]);
});

test("the engine follows the storage and the machine", { skip }, (t) => {
  const folder = mkdtempSync(join(tmpdir(), "vhost-user-choose-"));
  const memory = BlockStorage.memory(4096);
  writeFileSync(join(folder, "image"), new Uint8Array(4096));
  const file = BlockStorage.open(join(folder, "image"));
  t.after(() => {
    memory.close();
    file.close();
    rmSync(folder, { recursive: true });
  });
  assert.equal(chooseEngine("auto", memory, true).name, "sync");
  assert.deepEqual(chooseEngine("threads", memory, true), { name: "threads" });
  for (const [errno, reason] of [
    [38, /Linux 5\.11/],
    [1, /forbidden/],
    [12, /cannot be used/],
  ] as const) {
    const setup = t.mock.method(addon(), "uringSetup", () => -errno);
    assert.equal(chooseEngine("auto", file, false).name, "threads");
    assert.equal(chooseEngine("auto", file, true).name, "sync");
    assert.match(chooseEngine("auto", file, true).reason ?? "", reason);
    assert.throws(() => chooseEngine("uring", file, true), EnvironmentError);
    setup.mock.restore();
  }
  assert.equal(chooseEngine("uring", file, true).name, "uring");
});
