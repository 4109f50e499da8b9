import assert from "node:assert/strict";
import { test } from "node:test";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { runChild, runChildWell } from "../../support/child.ts";

guardLeaks();

/** A window of four pages whose file has become one page long. */
const truncated = `
const fd = unsealed(4);
const mapping = os.Mapping.map(fd, { offset: 0, length: 4 * page, writable: true });
mapping.bytes.fill(7);
fs.ftruncateSync(fd, page);
`;

test("reading behind a truncation sees zeroes and breaks the window", () => {
  runChildWell(`${truncated}
    assert.equal(mapping.broken, false);
    assert.equal(mapping.bytes[0], 7, "what is still there is still there");
    assert.equal(mapping.broken, false);
    assert.equal(mapping.bytes[2 * page], 0);
    assert.equal(mapping.broken, true);
    assert.equal(mapping.bytes[0], 0, "the whole window was replaced");
    mapping.unmap();
    assert.equal(mapping.broken, true);`);
});

test("writing behind a truncation goes nowhere and breaks the window", () => {
  runChildWell(`${truncated}
    mapping.bytes[3 * page] = 9;
    mapping.bytes.fill(5);
    assert.equal(mapping.broken, true);
    assert.equal(fs.fstatSync(fd).size, page);
    const first = Buffer.alloc(1);
    fs.readSync(fd, first, 0, 1, 0);
    assert.equal(first[0], 7, "the file is no longer written to");`);
});

test("atomic operations and DataView behind a truncation survive", () => {
  runChildWell(`${truncated}
    const words = new Uint16Array(mapping.buffer);
    assert.equal(Atomics.load(words, page), 0);
    assert.equal(Atomics.add(words, page, 3), 0);
    assert.equal(Atomics.load(words, page), 3);
    assert.equal(new DataView(mapping.buffer).getBigUint64(3 * page), 0n);
    assert.equal(mapping.broken, true);`);
});

test("bulk operations behind a truncation survive", () => {
  runChildWell(`${truncated}
    assert.deepEqual(mapping.bytes.slice(3 * page), new Uint8Array(page));
    assert.equal(mapping.broken, true);
    mapping.bytes.copyWithin(0, page);
    new Uint8Array(4 * page).set(mapping.bytes);`);
});

test("compiled code in a loop survives a truncation in its midst", () => {
  runChildWell(`
    const fd = unsealed(4);
    const mapping = os.Mapping.map(fd, { offset: 0, length: 4 * page, writable: true });
    const words = new Int32Array(mapping.buffer);
    const sum = () => { let s = 0; for (let i = 0; i < words.length; i++) s += words[i]++; return s; };
    for (let i = 0; i < 3000; i++) sum();
    fs.ftruncateSync(fd, 0);
    for (let i = 0; i < 3000; i++) sum();
    assert.equal(mapping.broken, true);`);
});

test("a read-only window survives a truncation", () => {
  runChildWell(`
    const fd = unsealed(2);
    const mapping = os.Mapping.map(fd, { offset: 0, length: 2 * page, writable: false });
    fs.ftruncateSync(fd, 0);
    assert.equal(mapping.bytes[page], 0);
    assert.equal(mapping.broken, true);`);
});

test("each window breaks on its own, when it is touched", () => {
  runChildWell(`${truncated}
    const other = os.Mapping.map(fd, { offset: 0, length: 4 * page, writable: true });
    assert.equal(mapping.bytes[2 * page], 0);
    assert.equal(mapping.broken, true);
    assert.equal(other.broken, false);
    assert.equal(other.bytes[0], 7);
    assert.equal(other.bytes[2 * page], 0);
    assert.equal(other.broken, true);`);
});

test("a window of odd length breaks up to the end of its last page", () => {
  runChildWell(`
    const fd = unsealed(2);
    const mapping = os.Mapping.map(fd, { offset: 0, length: page + 1, writable: true });
    fs.ftruncateSync(fd, 0);
    assert.equal(mapping.bytes[page], 0);
    assert.equal(mapping.broken, true);
    mapping.unmap();`);
});

test("a system call into a truncated window is EFAULT, and marking it broken is up to us", () => {
  runChildWell(`${truncated}
    const source = fs.openSync("/dev/zero", "r");
    assert.throws(() => fs.readSync(source, mapping.bytes, 2 * page, 100), { code: "EFAULT" });
    assert.throws(() => fs.writeSync(fd, mapping.bytes, 2 * page, 100, 0), { code: "EFAULT" });
    const [a] = os.UnixSocket.pair();
    assert.throws(() => a.send(mapping.bytes, 2 * page, 100), { code: "EFAULT" });
    assert.equal(mapping.broken, false);
    mapping.markBroken();
    assert.equal(mapping.broken, true);`);
});

test("a truncated mapping is replaced 1 GiB at a time, and is broken as a whole", () => {
  runChildWell(`
    const GIB = 2 ** 30;
    const fd = os.addon().memfdCreate("large", 1);
    fs.ftruncateSync(fd, 3 * GIB);
    const mapping = os.Mapping.map(fd, { offset: 0, length: 3 * GIB, writable: true });
    const [first, second, third] = [0, 1, 2].map((i) => mapping.slice(i * GIB, GIB));
    first[0] = 7;
    fs.ftruncateSync(fd, page);
    const before = os.brokenMappings();
    assert.equal(third[5], 0);
    assert.equal(mapping.broken, true);
    assert.equal(first[0], 7, "what was not cut off is still there");
    second[GIB - 1] = 3;
    third[GIB - 1] = 3;
    assert.equal(first[2 * page], 0);
    assert.equal(first[0], 0, "the first GiB was replaced as well");
    assert.equal(os.brokenMappings(), before + 1);`);
});

test("a worker survives a truncation, and so does the main thread after it", () => {
  runChildWell(`${truncated}
    const thread = worker(\`
      const own = os.Mapping.map(\${fd}, { offset: 0, length: 4 * \${page}, writable: true });
      const read = own.bytes[2 * \${page}];
      parentPort.postMessage([read, own.broken]);
      own.unmap();
    \`);
    // Watched from here: the last message and the end may come together.
    const ended = once(thread, "exit");
    assert.deepEqual((await once(thread, "message"))[0], [0, true]);
    await ended;
    assert.equal(mapping.broken, false);
    assert.equal(mapping.bytes[2 * page], 0);
    assert.equal(mapping.broken, true);`);
});

test("threads that map, break and unmap at the same time do not disturb each other", () => {
  runChildWell(`
    const body = \`
      for (let round = 0; round < 300; round++) {
        const fd = os.addon().memfdCreate("race", 1);
        fs.ftruncateSync(fd, 8192);
        const windows = [0, 1, 2].map(() => os.Mapping.map(fd, { offset: 0, length: 8192, writable: true }));
        windows[1].bytes[0] = 5;
        fs.ftruncateSync(fd, 0);
        if (windows[1].bytes[0] !== 0 || !windows[1].broken || windows[0].broken) process.exit(3);
        for (const window of windows) window.unmap();
        os.addon().close(fd);
      }\`;
    const threads = [worker(body), worker(body), worker(body)];
    const codes = await Promise.all(threads.map(async (thread) => (await once(thread, "exit"))[0]));
    assert.deepEqual(codes, [0, 0, 0]);`);
});

test("a SIGBUS from elsewhere still kills, with the handler in place", () => {
  const { signal } = runChild(`${truncated}
    mapping.bytes[2 * page];
    process.kill(process.pid, "SIGBUS");
    await new Promise((resolve) => setTimeout(resolve, 10_000));`);
  assert.equal(signal, "SIGBUS");
});

test("a SIGBUS still kills after the only thread that used the addon has ended", () => {
  // The thread's end unloads the addon: were it really unloaded, this would be a SIGSEGV.
  const { signal, stdout } = runChild(
    `const thread = worker(\`
       const memory = os.SharedMemory.create("x", 4096);
       os.Mapping.map(memory.fd.fd, { offset: 0, length: 4096, writable: true }).unmap();
     \`);
     await once(thread, "exit");
     fs.writeSync(1, "ended");
     process.kill(process.pid, "SIGBUS");
     await new Promise((resolve) => setTimeout(resolve, 10_000));`,
  );
  assert.equal(stdout, "ended");
  assert.equal(signal, "SIGBUS");
});
