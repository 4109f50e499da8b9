import assert from "node:assert/strict";
import { test } from "node:test";
import * as base from "../../../../src/core/base/index.ts";

const { VhostUserError } = base;

test("every error of this package has its class as name, a code, and is recognised", () => {
  const errors = [
    new base.ProtocolError("m"),
    new base.NegotiationError("m"),
    new base.StateError("m"),
    new base.ConnectError("m"),
    new base.PeerClosedError("m"),
    new base.TimeoutError("m"),
    new base.RemoteError("VHOST_USER_GET_FEATURES", "m", 1n),
    new base.MemoryAccessError("m"),
    new base.QueueError("m"),
    new base.DeviceError(1, "m"),
    new base.EnvironmentError("m"),
    new base.UsageError("m"),
  ];
  for (const error of errors) {
    assert.equal(error.name, error.constructor.name);
    assert.ok(!Object.hasOwn(error, "name"), "the name is the prototype's");
    assert.match(error.code, /^ERR_VHOST_[A-Z_]+$/);
    assert.ok(error instanceof VhostUserError);
    assert.ok(VhostUserError.isVhostUserError(error));
    assert.match(String(error), new RegExp(`^${error.name}: m$`));
  }
  assert.equal(new Set(errors.map(({ code }) => code)).size, errors.length);
});

test("an error of another loaded copy is recognised, and foreign ones are not", () => {
  const foreign = Object.assign(new Error("m"), { [Symbol.for("vhost-user.error")]: true });
  assert.ok(VhostUserError.isVhostUserError(foreign));
  for (const value of [new Error("m"), { code: "ERR_VHOST_USAGE" }, null, undefined, "m"]) {
    assert.equal(VhostUserError.isVhostUserError(value), false);
  }
});

test("what led to an error is kept", () => {
  const cause = new Error("inner");
  assert.equal(new base.MemoryAccessError("outer", { cause }).cause, cause);
  assert.equal(new base.ProtocolError("outer", {}, { cause }).cause, cause);
});

test("a failed system call has the shape of Node's own errors", () => {
  const error = new base.SystemError("EACCES", -13, "connect", "permission denied", "/tmp/x");
  assert.deepEqual(
    {
      name: error.name,
      code: error.code,
      errno: error.errno,
      syscall: error.syscall,
      path: error.path,
    },
    { name: "SystemError", code: "EACCES", errno: -13, syscall: "connect", path: "/tmp/x" },
  );
  assert.equal(error.message, "connect: permission denied (EACCES): /tmp/x");
});
