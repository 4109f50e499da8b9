import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { EnvironmentError } from "../../src/core/base/index.ts";
import { ledgerFolder } from "../../src/lab/programs/ledger/ledger-folder.ts";
import { lockLedger, tryLockLedger } from "../../src/lab/programs/ledger/ledger-lock.ts";
import {
  identifyProcess,
  identifySelf,
  isOurs,
  Ledger,
  type LedgerRecord,
  ownPath,
  removeOwnedPath,
} from "../../src/lab/programs/index.ts";
import { guardLeaks } from "../support/leak-guard.ts";
import { needsRoot, temporaryDirectory } from "../programs/support/index.ts";
import { until } from "../support/until.ts";

guardLeaks();

function privateLedger(t: TestContext): Ledger {
  return Ledger.open({ XDG_RUNTIME_DIR: temporaryDirectory(t) });
}

function recordOf(change: Partial<LedgerRecord> = {}): LedgerRecord {
  const self = identifySelf();
  return {
    id: "run-1",
    kind: "test",
    state: "running",
    owner: "/checkout",
    writer: self,
    process: self,
    paths: [],
    details: { words: ["a", "b"] },
    ...change,
  };
}

test("a record is read as it was written, and is for us alone", (t) => {
  const ledger = privateLedger(t);
  const path = join(ledger.folder, "..", "file");
  writeFileSync(path, "");
  const record = recordOf({ paths: [ownPath(path, "log")] });
  ledger.write(record);
  ledger.write(record);
  assert.deepEqual(ledger.read("run-1"), record);
  assert.deepEqual(ledger.list(), { records: [record], damaged: [] });
  assert.deepEqual(readdirSync(ledger.folder), ["run-1.json"]);
  ledger.remove("run-1");
  assert.equal(ledger.read("run-1"), undefined);
});

test("every beginning of a record is damaged, never half believed", (t) => {
  const ledger = privateLedger(t);
  ledger.write(recordOf());
  const whole = readFileSync(ledger.fileOf("run-1"), "utf8").trimEnd();
  for (let length = 0; length < whole.length; length += 1) {
    writeFileSync(ledger.fileOf("run-1"), whole.slice(0, length));
    assert.throws(() => ledger.read("run-1"), EnvironmentError);
    const { records, damaged } = ledger.list();
    assert.equal(records.length, 0);
    assert.equal(damaged.length, 1);
  }
});

test("a record with a field of the wrong kind, or under another name, is damaged", (t) => {
  const ledger = privateLedger(t);
  const file = ledger.fileOf("run-1");
  const self = identifySelf();
  const owned = { path: "/x", role: "log", device: "1", inode: "2", born: "3" };
  const wrong = [
    { version: 3 },
    { id: "run-2" },
    { state: "done" },
    { owner: "" },
    { owner: self },
    { writer: null },
    { process: { ...self, pid: -1 } },
    { process: { ...self, pid: `${self.pid}` } },
    { process: { ...self, startTime: "" } },
    { process: { ...self, bootId: "x" } },
    { paths: {} },
    { paths: [{ ...owned, path: "relative" }] },
    { paths: [{ ...owned, role: "house" }] },
    { paths: [{ ...owned, inode: 2 }] },
    { details: null },
  ];
  for (const change of wrong) {
    writeFileSync(file, JSON.stringify({ version: 2, ...recordOf(), ...change }));
    assert.throws(() => ledger.read("run-1"), /damaged \(bad field: /, JSON.stringify(change));
  }
  writeFileSync(file, JSON.stringify({ version: 2, ...recordOf({ paths: [owned as never] }) }));
  assert.ok(ledger.read("run-1"));
});

test("a record of before there were owners is read, without one", (t) => {
  const ledger = privateLedger(t);
  const { writer, ...rest } = recordOf();
  writeFileSync(ledger.fileOf("run-1"), JSON.stringify({ version: 1, ...rest, owner: writer }));
  assert.deepEqual(ledger.read("run-1"), recordOf({ owner: null }));
  writeFileSync(ledger.fileOf("run-1"), JSON.stringify({ version: 1, ...rest, writer }));
  assert.throws(() => ledger.read("run-1"), /damaged \(bad field: /);
  // One that is written again stays without.
  ledger.write(recordOf({ owner: null }));
  assert.equal(ledger.read("run-1")?.owner, null);
});

test("a process is ours only with the same start time and boot", () => {
  const self = identifySelf();
  assert.equal(isOurs(recordOf()), true);
  assert.equal(isOurs(recordOf({ process: null })), false);
  const later = `${BigInt(self.startTime) + 1n}`;
  assert.equal(isOurs(recordOf({ process: { ...self, startTime: later } })), false);
  const bootId = self.bootId.replaceAll(/[0-9a-f]/g, "0");
  assert.equal(isOurs(recordOf({ process: { ...self, bootId } })), false);
});

test("a process that has ended and waits to be reaped does not run", async (t) => {
  // The shell's child ends with our pipe; sleep, which the shell becomes, never reaps it.
  const script = "exec 3<&0; cat <&3 >/dev/null & echo $!; exec sleep 100 3<&- <&-";
  const parent = spawn("sh", ["-c", script], { stdio: ["pipe", "pipe", "ignore"] });
  t.after(async () => {
    parent.kill("SIGKILL");
    await once(parent, "close");
  });
  const [text] = await once(parent.stdout, "data");
  const pid = Number(String(text));
  await until(() => readFileSync(`/proc/${parent.pid}/comm`, "utf8") === "sleep\n");
  parent.stdin.end();
  await until(() => /^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, "utf8")));
  assert.equal(identifyProcess(pid), undefined);
});

test("a path is removed only while it is the very file that was made", (t) => {
  const folder = temporaryDirectory(t);
  const path = join(folder, "file");
  writeFileSync(path, "ours");
  const owned = ownPath(path, "log");
  rmSync(path);
  assert.equal(removeOwnedPath(owned), "gone");
  // Most file systems give the freed inode number to the next file.
  writeFileSync(path, "theirs");
  assert.equal(removeOwnedPath(owned), "changed");
  rmSync(path);
  symlinkSync(folder, path);
  assert.equal(removeOwnedPath(owned), "changed");
  assert.equal(removeOwnedPath(ownPath(path, "log")), "ours");
  assert.ok(existsSync(folder), "the link was followed");
});

test("the ledger's folder is made in XDG_RUNTIME_DIR, else in the folder for temporary files", (t) => {
  const folder = temporaryDirectory(t);
  const runtime = join(folder, "run");
  mkdirSync(runtime);
  assert.equal(ledgerFolder({ XDG_RUNTIME_DIR: runtime }, folder), join(runtime, "vhost-user"));
  const other = join(folder, `vhost-user-${process.getuid?.()}`);
  for (const unusable of ["", "relative", join(folder, "missing")]) {
    assert.equal(ledgerFolder({ XDG_RUNTIME_DIR: unusable }, folder), other);
  }
  assert.equal(ledgerFolder({}, folder), other);
});

test("a ledger's folder that is a link, a file or accessible to other users is refused", (t) => {
  const folder = temporaryDirectory(t);
  const path = join(folder, `vhost-user-${process.getuid?.()}`);
  const refuse = (reason: RegExp): void => {
    assert.throws(() => ledgerFolder({}, folder), reason);
    rmSync(path, { recursive: true });
  };
  const elsewhere = join(folder, "elsewhere");
  mkdirSync(elsewhere, { mode: 0o700 });
  symlinkSync(elsewhere, path);
  refuse(/refused as ledger of what runs: it is a symbolic link; it was left alone/);
  writeFileSync(path, "");
  refuse(/it is not a folder/);
  mkdirSync(path);
  chmodSync(path, 0o770);
  refuse(/it is open to other users \(mode 770\)/);
});

test("another user's folder is refused as ledger", { skip: needsRoot() }, (t) => {
  const folder = temporaryDirectory(t);
  const path = join(folder, `vhost-user-${process.getuid?.()}`);
  mkdirSync(path, { mode: 0o700 });
  chownSync(path, 65534, 65534);
  assert.throws(() => ledgerFolder({}, folder), /a folder of another user \(uid 65534\)/);
});

test("a lock is had by one at a time, waited for, and given on", async (t) => {
  const ledger = privateLedger(t);
  const first = await lockLedger(ledger, "x");
  assert.deepEqual(tryLockLedger(ledger, "x"), { heldBy: identifySelf() });
  const holders: string[] = [];
  const second = lockLedger(ledger, "x", { onWait: (holder) => holders.push(holder) });
  assert.deepEqual(holders, [`pid ${process.pid} (node)`]);
  first[Symbol.dispose]();
  (await second)[Symbol.dispose]();
  assert.deepEqual(readdirSync(ledger.folder), []);
});

test("a lock whose holder is gone is taken over; a damaged one is not", async (t) => {
  const ledger = privateLedger(t);
  const file = join(ledger.folder, "x.lock");
  const self = identifySelf();
  writeFileSync(file, JSON.stringify({ ...self, startTime: "1" }));
  (await lockLedger(ledger, "x"))[Symbol.dispose]();
  assert.deepEqual(readdirSync(ledger.folder), []);
  writeFileSync(file, "{");
  await assert.rejects(lockLedger(ledger, "x"), /the lock .* is damaged: .* remove it: rm /);
});
