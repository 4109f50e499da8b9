import assert from "node:assert/strict";
import { fstatSync } from "node:fs";
import { test } from "node:test";
import { StateError, UsageError } from "../../../../src/core/base/index.ts";
import { addon, check, OwnedFd, systemError } from "../../../../src/core/os/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { runChildWell } from "../../support/child.ts";

guardLeaks();

function open(): OwnedFd {
  return new OwnedFd(check(addon().eventfd(0), "eventfd"));
}

test("closes its descriptor once", () => {
  const owned = open();
  const { fd } = owned;
  owned.close();
  assert.throws(() => fstatSync(fd), { code: "EBADF" });
  assert.equal(owned.closed, true);
  using next = open();
  assert.equal(next.fd, fd, "the kernel reuses the lowest number");
  owned.close();
  fstatSync(next.fd);
});

test("a closed one cannot be used", () => {
  const owned = open();
  owned.close();
  assert.throws(() => owned.fd, StateError);
  assert.throws(() => owned.release(), StateError);
  assert.throws(() => owned.duplicate(), StateError);
});

test("a released descriptor stays open and belongs to the caller", () => {
  const owned = open();
  const fd = owned.release();
  owned.close();
  using other = new OwnedFd(fd);
  fstatSync(other.fd);
});

test("a duplicate lives on its own", () => {
  const owned = open();
  using copy = owned.duplicate();
  assert.notEqual(copy.fd, owned.fd);
  owned.close();
  fstatSync(copy.fd);
});

test("refuses what cannot be a descriptor", () => {
  for (const value of [-1, 1.5, NaN]) assert.throws(() => new OwnedFd(value), UsageError);
});

test("a descriptor number that was closed elsewhere is EBADF", () => {
  const owned = open();
  addon().close(owned.fd);
  assert.throws(() => owned.close(), { code: "EBADF", syscall: "close", errno: -9 });
});

test("a worker closes descriptors without a warning", () => {
  runChildWell(`
    process.on("warning", (warning) => assert.fail(warning));
    await once(worker("os.EventFd.create().close();"), "exit");`);
});

test("errors are named also where libuv has no name", () => {
  assert.match(systemError(-109, "sendmsg").message, /^sendmsg: .* \(ETOOMANYREFS\)$/);
  const { code, errno, syscall, path } = systemError(-2, "connect", "/x");
  assert.deepEqual([code, errno, syscall, path], ["ENOENT", -2, "connect", "/x"]);
});
