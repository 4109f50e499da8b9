import { join } from "node:path";
import { writeFileSync } from "node:fs";
import {
  ConnectError,
  DeviceError,
  NegotiationError,
  PeerClosedError,
  ProtocolError,
  QueueError,
  RemoteError,
  TimeoutError,
  UsageError,
} from "../../../core/base/index.ts";
import { BlockDriver } from "../../../endpoints/devices/block/index.ts";
import { Client } from "../../../endpoints/frontend/index.ts";
import type { TestContext } from "../context.ts";
import { expectError, expectThat } from "../expect.ts";
import type { TestCase } from "../group.ts";
import { connect, startMock } from "./mock.ts";

type ErrorType = new (...args: never[]) => Error;

/** Long enough for a neighbour, short enough to wait for one that stays silent. */
const TIMEOUT_MS = 300;

/** A fault of the server, and what the client makes of it. */
const FAULTS: readonly (readonly [title: string, fault: string, error: ErrorType])[] = [
  ["Reply to another request is refused", "wrong-request-number@GET_FEATURES", ProtocolError],
  ["Reply with a wrong version is refused", "wrong-version@GET_FEATURES", ProtocolError],
  ["Reply without the reply flag is refused", "missing-reply-flag@GET_FEATURES", ProtocolError],
  ["Reply that is too short is refused", "short-payload@GET_FEATURES", ProtocolError],
  [
    "Connection closed instead of a reply is reported",
    "close-before-reply@GET_FEATURES",
    PeerClosedError,
  ],
  [
    "Connection closed in the middle of a reply is reported",
    "cut-reply=6@GET_FEATURES",
    PeerClosedError,
  ],
  ["Server that does not answer is timed out", "no-reply@GET_FEATURES", TimeoutError],
  ["Request that the server refuses is reported", "ack-failure@SET_OWNER", RemoteError],
  ["Server without VIRTIO_F_VERSION_1 is refused", "features-garbage", NegotiationError],
];

async function readSector(context: TestContext, fault: string): Promise<void> {
  const client = await connect(context, await startMock(context, [fault]), {
    timeoutMs: TIMEOUT_MS,
  });
  const driver = await BlockDriver.start(client);
  await driver.read(0, 512, { timeoutMs: TIMEOUT_MS });
}

/** Error handling. */
export const errorCases: readonly TestCase[] = [
  {
    title: "Missing socket is reported",
    run: async ({ folder }) => {
      const error = await expectError(ConnectError, async () =>
        Client.connect(join(folder, "none.sock")),
      );
      expectThat(error.message.includes("none.sock"), "the path in the message");
    },
  },
  {
    title: "File that is not a socket is reported",
    run: async ({ folder }) => {
      const path = join(folder, "file");
      writeFileSync(path, "");
      const error = await expectError(ConnectError, async () => Client.connect(path));
      expectThat(error.message.includes("a regular file"), "the message names the kind of file");
    },
  },
  {
    title: "Socket path that is too long is reported",
    run: async () => {
      await expectError(UsageError, async () => Client.connect(`/${"x".repeat(200)}`));
    },
  },
  ...FAULTS.map(([title, fault, type]) => ({
    title,
    run: async (context: TestContext) => {
      const path = await startMock(context, [fault]);
      const error = await expectError(type, async () =>
        connect(context, path, { timeoutMs: TIMEOUT_MS }),
      );
      context.note(error.message);
    },
  })),
  {
    title: "I/O error of the device is reported",
    run: async (context) => {
      await expectError(DeviceError, async () => readSector(context, "device-io-error"));
    },
  },
  {
    title: "Request that never completes is timed out",
    run: async (context) => {
      await expectError(TimeoutError, async () => readSector(context, "never-complete"));
    },
  },
  {
    title: "Device that breaks the rules of the ring is found out",
    run: async (context) => {
      const error = await expectError(QueueError, async () =>
        readSector(context, "used-id-out-of-range"),
      );
      context.note(error.message);
    },
  },
];
