import assert from "node:assert/strict";
import { test } from "node:test";
import * as base from "../../../../src/core/base/index.ts";
import {
  CleanUpError,
  CommandError,
  ExitCode,
  exitCodeOf,
  InterruptError,
} from "../../../../src/app/cli/exit-code.ts";

test("each situation has its exit code", () => {
  const codes: readonly (readonly [Error, number])[] = [
    [new base.UsageError(""), 2],
    [new base.EnvironmentError(""), 4],
    [new base.DeviceError(1, ""), 1],
    [new base.QueueError(""), 1],
    [new base.ConnectError(""), 3],
    [new base.TimeoutError(""), 3],
    [new base.PeerClosedError(""), 3],
    [new base.ProtocolError(""), 3],
    [new base.NegotiationError(""), 3],
    [new base.RemoteError("VHOST_USER_SET_OWNER", ""), 3],
    [new CommandError(ExitCode.Failed, ""), 1],
    [new CleanUpError(""), 1],
    [new InterruptError("SIGHUP"), 129],
    [new InterruptError("SIGINT"), 130],
    [new InterruptError("SIGTERM"), 143],
  ];
  for (const [error, code] of codes) assert.equal(exitCodeOf(error), code, error.name);
});

test("errors of the system go by what they say", () => {
  const codes: Readonly<Record<string, number>> = {
    EACCES: 4,
    EPERM: 4,
    EMFILE: 4,
    ENFILE: 4,
    ENOSPC: 4,
    ENOMEM: 4,
    EROFS: 4,
    ENOENT: 2,
    EISDIR: 2,
    ENOTDIR: 2,
    EEXIST: 2,
    EIO: 1,
  };
  for (const [code, expected] of Object.entries(codes)) {
    assert.equal(exitCodeOf(new base.SystemError(code, -1, "open", code)), expected, code);
    const nodes = Object.assign(new Error(code), { code, errno: -1, syscall: "open" });
    assert.equal(exitCodeOf(nodes), expected === 1 ? 70 : expected, code);
  }
});

test("anything else is a bug of ours", () => {
  for (const error of [new TypeError(""), new RangeError(""), "text", undefined]) {
    assert.equal(exitCodeOf(error), 70);
  }
});
