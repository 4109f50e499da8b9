import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Aim } from "../../../../src/lab/faults/aim.ts";
import { type ChannelFault, faults, parseFault } from "../../../../src/lab/faults/index.ts";
import { FrontendRequest, HeaderFlag } from "../../../../src/core/protocol/index.ts";
import type {
  Channel,
  CloseReason,
  Frame,
  FrameHandler,
} from "../../../../src/core/transport/index.ts";
import { frameBytes } from "../../../../src/core/transport/index.ts";

/** Writes down what passes; opens nothing. */
class RecordingChannel implements Channel {
  readonly log: string[] = [];
  #handler: FrameHandler | undefined;
  #end!: (reason: CloseReason) => void;
  readonly closed = new Promise<CloseReason>((resolve) => {
    this.#end = resolve;
  });

  async send(frame: Frame): Promise<void> {
    return this.sendBytes(frameBytes(frame), frame.fds);
  }

  async sendBytes(bytes: Uint8Array, fds: readonly unknown[]): Promise<void> {
    this.log.push(`${Buffer.from(bytes).toString("hex")} +${fds.length}`);
  }

  onFrame(handler: FrameHandler): void {
    this.#handler = handler;
  }

  async receive(frame: Frame): Promise<void> {
    await this.#handler?.(frame);
  }

  close(): void {
    this.log.push("close");
    this.#end({ by: "local", error: new Error("closed") });
  }
}

function frame(request: number, flags: number, payload: Uint8Array): Frame {
  return { header: { request, flags, size: payload.length }, payload, fds: [] };
}

/** A conversation of one request with and one without a reply. */
async function converse(channel: Channel, inner: RecordingChannel): Promise<string[]> {
  const config = Uint8Array.of(0, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4);
  const replies = new Map<number, Uint8Array>([
    [FrontendRequest.GetConfig, config],
    [FrontendRequest.SetVringNum, new Uint8Array(8)],
  ]);
  channel.onFrame(async ({ header }) => {
    const payload = replies.get(header.request);
    if (payload === undefined) return;
    await channel.send(frame(header.request, HeaderFlag.Version | HeaderFlag.Reply, payload));
  });
  for (const request of [...replies.keys(), FrontendRequest.SetOwner]) {
    await inner.receive(frame(request, HeaderFlag.Version, new Uint8Array(0)));
  }
  return inner.log;
}

describe("each fault of the channel changes what is sent", async () => {
  const plain = new RecordingChannel();
  const clean = await converse(plain, plain);
  const elsewhere = new Set([
    // On the back-end channel, and with descriptors: see test/component.
    "backend-channel-flood",
    "backend-channel-garbage",
    "extra-descriptors",
    "missing-descriptor",
    "descriptors-after-first-byte",
    // The same bytes, later.
    "late-reply",
  ]);
  for (const fault of faults) {
    if (fault.where !== "channel" || elsewhere.has(fault.name)) continue;
    test(fault.name, async () => {
      const inner = new RecordingChannel();
      const wrapped = fault.wrap(inner, new Aim(), fault.parameter?.standard ?? 0);
      assert.notDeepEqual(await converse(wrapped, inner), clean);
    });
    test(`${fault.name}, aimed elsewhere`, async () => {
      const inner = new RecordingChannel();
      const wrapped = fault.wrap(inner, new Aim(FrontendRequest.SendRarp), 1);
      assert.deepEqual(await converse(wrapped, inner), clean);
    });
  }

  test("split-reply sends the same bytes one by one", async () => {
    const inner = new RecordingChannel();
    const { fault } = parseFault("split-reply");
    const log = await converse((fault as ChannelFault).wrap(inner, new Aim(), 0), inner);
    assert.ok(log.every((line) => /^.. \+0$/.test(line)));
    const joined = (lines: string[]): string => lines.map((line) => line.split(" ")[0]).join("");
    assert.equal(joined(log), joined(clean));
  });
});

test("an aim counts the occurrences of its request only", () => {
  const aim = new Aim(5, 2);
  assert.deepEqual(
    [5, 4, 4, 5, 5].map((request) => aim.hits(request)),
    [false, false, false, true, false],
  );
  const every = new Aim();
  assert.ok(every.hits(1) && every.hits(2));
});
