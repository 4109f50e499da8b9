import { blockKind } from "../../src/endpoints/devices/block/kind.ts";
import { fsKind } from "../../src/endpoints/devices/fs/kind.ts";
import { netKind } from "../../src/endpoints/devices/net/kind.ts";
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { ManagedProcess, startListening, wordsInTree } from "../../src/lab/programs/index.ts";
import { Workspace } from "../integration/support/index.ts";
import {
  judged,
  judgedFrontend,
  QEMU_DISK,
  QEMU_NET,
  SLOW,
  storageDaemon,
  unexpected,
} from "../programs/support/conform.ts";
import { needsRoot, temporaryDirectory } from "../programs/support/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { inTree, needsInTree, qemuInTree, root } from "./support/index.ts";

guardLeaks();

test(
  "qemu-storage-daemon of Debian 13 is judged as its baseline says",
  { skip: needsInTree("usr/bin/qemu-storage-daemon") },
  async (t) => {
    const command = storageDaemon(t, inTree("usr/bin/qemu-storage-daemon"));
    const results = await judged(t, blockKind, command);
    assert.deepEqual(unexpected(results, "qemu-storage-daemon-10.0"), []);
  },
);

test(
  "virtiofsd in Rust is judged as its baseline says",
  { skip: needsRoot() || needsInTree("usr/libexec/virtiofsd") },
  async (t) => {
    const folder = join(temporaryDirectory(t), "shared");
    mkdirSync(folder);
    // In a sandbox of its own a process would hide which signal ended it.
    const command = `${inTree("usr/libexec/virtiofsd", "RUST_BACKTRACE=0")} --socket-path={socket} --shared-dir=${folder} --sandbox=chroot`;
    const results = await judged(t, fsKind, command);
    assert.deepEqual(unexpected(results, "virtiofsd-1.13"), []);
  },
);

test(
  "io fs lists, reads and looks at what virtiofsd in Rust shares, and prints nothing else",
  { skip: needsRoot() || needsInTree("usr/libexec/virtiofsd") },
  async (t) => {
    const space = new Workspace(t);
    const shared = space.path("shared");
    mkdirSync(shared);
    const names = Array.from({ length: 20 }, (_, i) => `file-${i}`);
    for (const name of names) writeFileSync(join(shared, name), name);
    const tree = root ?? "/";
    const words = wordsInTree(tree, join(tree, "usr/libexec/virtiofsd"));
    const io = async (verb: string, ...more: readonly string[]) => {
      const socket = space.path("fs.sock");
      const options = [`--socket-path=${socket}`, `--shared-dir=${shared}`, "--sandbox=chroot"];
      const [program = "", ...args] = [...words, ...options];
      const start = () => ManagedProcess.spawn(program, args);
      // It serves one front-end, then ends.
      await using daemon = await startListening(socket, start, {});
      const result = await space.run(["io", "fs", verb, socket, ...more]);
      await daemon.exited;
      return result;
    };
    for (const ring of [[], ["--packed"]]) {
      const ls = await io("ls", "/", ...ring);
      assert.deepEqual([ls.code, ls.stderr], [0, ""]);
      assert.equal(ls.stdout.trimEnd().split("\n").length, names.length);
      const cat = await io("cat", "/file-7", ...ring);
      assert.deepEqual([cat.code, cat.stdout, cat.stderr], [0, "file-7", ""]);
      const stat = await io("stat", "/file-7", "--json", ...ring);
      assert.deepEqual([stat.code, stat.stderr], [0, ""]);
    }
    const none = await io("stat", "/none");
    assert.equal(none.code, 1);
    assert.match(none.stderr, /^vhost-user: \/none: .* the device answered ENOENT\n$/);
  },
);

test(
  "passt is judged as its baseline says",
  { skip: needsRoot() || needsInTree("usr/bin/passt") },
  async (t) => {
    // As an unprivileged user it could not make its socket in the suite's folder.
    const command = `${inTree("usr/bin/passt")} --foreground --vhost-user --runas 0 --socket {socket}`;
    const results = await judged(t, netKind, command);
    assert.deepEqual(unexpected(results, "passt-2025-05"), []);
  },
);

test(
  "QEMU 10's front-end is judged as its baseline says",
  { skip: needsInTree("usr/bin/qemu-system-x86_64") },
  async () => {
    const results = await judgedFrontend(blockKind, qemuInTree(QEMU_DISK));
    assert.deepEqual(unexpected(results, "qemu-10.0"), []);
  },
);

test(
  "QEMU 10's network card is judged as its baseline says, as its boot ROM drives it",
  { skip: needsInTree("usr/bin/qemu-system-x86_64") },
  async () => {
    const results = await judgedFrontend(netKind, qemuInTree(QEMU_NET), { except: SLOW });
    assert.deepEqual(unexpected(results, "qemu-10.0"), []);
    assert.ok(results.some(({ id, verdict }) => id === "fe/19" && verdict === "PASS"));
  },
);
