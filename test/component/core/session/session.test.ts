import assert from "node:assert/strict";
import { describe, type TestContext, test } from "node:test";
import {
  NegotiationError,
  PeerClosedError,
  ProtocolError,
  RemoteError,
  StateError,
  TimeoutError,
} from "../../../../src/core/base/index.ts";
import { EventFd, type OwnedFd, UnixSocket } from "../../../../src/core/os/index.ts";
import {
  BackendRequest,
  type Direction,
  FrontendRequest,
  HeaderFlag,
  type Iotlb,
  ProtocolFeature,
  VirtioFeature,
} from "../../../../src/core/protocol/index.ts";
import {
  Answerer,
  Caller,
  type CallerOptions,
  Negotiation,
  type RequestHandler,
  type Strictness,
} from "../../../../src/core/session/index.ts";
import { type Frame, UnixChannel } from "../../../../src/core/transport/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

const { GetFeatures, SetFeatures, GetQueueNum, SetVringNum, SetVringCall, GetMaxMemSlots } =
  FrontendRequest;
const ACK = ProtocolFeature.ReplyAck | ProtocolFeature.Mq | ProtocolFeature.ConfigureMemSlots;
const REPLY = HeaderFlag.Version | HeaderFlag.Reply;
const OK = new Uint8Array(8);
const FAILED = Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0);

function channels(t: TestContext): [UnixChannel, UnixChannel] {
  const [a, b] = UnixSocket.pair();
  const pair: [UnixChannel, UnixChannel] = [new UnixChannel(a), new UnixChannel(b)];
  t.after(() => {
    for (const channel of pair) channel.close();
  });
  return pair;
}

function frame(
  request: number,
  flags: number,
  payload: Uint8Array = new Uint8Array(0),
  fds: OwnedFd[] = [],
): Frame {
  return { header: { request, flags, size: payload.length }, payload, fds };
}

interface Sides {
  readonly strictness?: Strictness;
  readonly protocolFeatures?: bigint;
  readonly direction?: Direction;
}

/** A caller, and the bare channel of a peer that the test plays. */
function calling(t: TestContext, sides: Sides & Partial<CallerOptions> = {}) {
  const { strictness = "lenient", protocolFeatures = ACK, direction = "front-end" } = sides;
  const [ours, peer] = channels(t);
  const negotiation = new Negotiation();
  negotiation.protocolFeatures = protocolFeatures;
  const caller = new Caller(ours, {
    direction,
    negotiation,
    strictness,
    timeoutMs: 5000,
    ...sides,
  });
  const asked: Frame[] = [];
  peer.onFrame((received) => {
    asked.push({ ...received, fds: [] });
  });
  return { caller, peer, ours, asked, negotiation };
}

/** An answerer with these handlers, and the bare channel of a peer that the test plays. */
function answering(t: TestContext, handlers: Record<number, RequestHandler>, sides: Sides = {}) {
  const { strictness = "lenient", protocolFeatures = ACK, direction = "front-end" } = sides;
  const [ours, peer] = channels(t);
  const negotiation = new Negotiation();
  negotiation.protocolFeatures = protocolFeatures;
  const refused: Error[] = [];
  const onRefused = (error: Error): void => void refused.push(error);
  const answerer = new Answerer(ours, { direction, negotiation, strictness, onRefused });
  for (const [request, handler] of Object.entries(handlers))
    answerer.onAny(Number(request), handler);
  answerer.start();
  const replies: Frame[] = [];
  peer.onFrame((received) => {
    replies.push({ ...received, fds: received.fds.splice(0) });
  });
  return { ours, peer, replies, refused, negotiation };
}

describe("Caller", () => {
  test("concurrent calls get their own replies, in order", async (t) => {
    const { caller, peer, asked } = calling(t);
    const calls = [GetQueueNum, GetMaxMemSlots, GetQueueNum].map(async (request) =>
      caller.call(request, undefined),
    );
    await until(() => asked.length === 3, "the requests");
    for (const [i, { header }] of asked.entries()) {
      await peer.send(frame(header.request, REPLY, Uint8Array.of(i, 0, 0, 0, 0, 0, 0, 0)));
    }
    assert.deepEqual(
      (await Promise.all(calls)).map(({ value }) => value),
      [0n, 1n, 2n],
    );
  });

  test("asks for an acknowledgement when REPLY_ACK is negotiated, and only then", async (t) => {
    const withAck = calling(t);
    const call = withAck.caller.call(SetFeatures, 1n);
    await until(() => withAck.asked.length === 1, "the request");
    assert.equal(withAck.asked[0]?.header.flags, 0x9);
    await withAck.peer.send(frame(SetFeatures, REPLY, OK));
    assert.deepEqual(await call, { value: undefined, fds: [] });
    const without = calling(t, { protocolFeatures: 0n });
    assert.deepEqual(await without.caller.call(SetFeatures, 1n), { value: undefined, fds: [] });
    await until(() => without.asked.length === 1, "the request");
    assert.equal(without.asked[0]?.header.flags, 0x1);
  });

  test("a non-zero acknowledgement is an error that names the request and the value", async (t) => {
    const { caller, peer } = calling(t);
    await peer.send(frame(SetFeatures, REPLY, FAILED));
    // The reply waits before the call is made: reading starts once, at the beginning.
    await assert.rejects(
      caller.call(SetFeatures, 1n),
      (error) =>
        error instanceof RemoteError &&
        error.value === 1n &&
        error.request === "VHOST_USER_SET_FEATURES",
    );
  });

  test("IOTLB_MSG, POSTCOPY_LISTEN and POSTCOPY_END are acknowledged whatever was negotiated", async (t) => {
    const { caller, peer, asked, negotiation } = calling(t, {
      protocolFeatures: ProtocolFeature.Pagefault,
    });
    negotiation.features = VirtioFeature.AccessPlatform;
    const iotlb: Iotlb = { iova: 0n, size: 4096n, userAddress: 0n, permissions: 3, type: 2 };
    for (const [request, payload] of [
      [FrontendRequest.IotlbMsg, iotlb],
      [FrontendRequest.PostcopyListen, undefined],
      [FrontendRequest.PostcopyEnd, undefined],
    ] as const) {
      let settled = false;
      const call = caller.call(request, payload).finally(() => (settled = true));
      await until(() => asked.at(-1)?.header.request === request, "the request");
      assert.equal(asked.at(-1)?.header.flags, 0x9);
      assert.equal(settled, false);
      await peer.send(frame(request, REPLY, OK));
      await call;
    }
  });

  test("SET_LOG_BASE with LOG_SHMFD takes any body as its reply, and without it an acknowledgement", async (t) => {
    const log = { mmapSize: 4096n, mmapOffset: 0n };
    for (const [size, strictness] of [
      [0, "lenient"],
      [8, "lenient"],
      [16, "lenient"],
      [0, "strict"],
      [8, "strict"],
      [16, "strict"],
    ] as const) {
      const { caller, peer, asked } = calling(t, {
        strictness,
        protocolFeatures: ACK | ProtocolFeature.LogShmfd,
      });
      const call = caller.call(FrontendRequest.SetLogBase, log, { fds: [] });
      await until(() => asked.length === 1, "the request");
      // Eight bytes that are not zero are the log's size here, and no failure.
      await peer.send(frame(FrontendRequest.SetLogBase, REPLY, new Uint8Array(size).fill(1)));
      await call;
    }
    const plain = calling(t);
    const call = plain.caller.call(FrontendRequest.SetLogBase, log, { fds: [], unchecked: true });
    await until(() => plain.asked.length === 1, "the request");
    await plain.peer.send(frame(FrontendRequest.SetLogBase, REPLY, FAILED));
    await assert.rejects(call, RemoteError);
  });

  test("a call that ran out keeps its place: its late reply is dropped, with what came along", async (t) => {
    const { caller, peer, asked } = calling(t, { describePeer: () => "pid 1 (slow)" });
    const late = caller.call(GetQueueNum, undefined, { timeoutMs: 20 });
    await assert.rejects(
      late,
      (error) =>
        error instanceof TimeoutError &&
        error.message.startsWith(
          "VHOST_USER_GET_QUEUE_NUM: no answer within 20 ms; peer is pid 1 (slow): it may be busy",
        ),
    );
    const next = caller.call(GetMaxMemSlots, undefined);
    await until(() => asked.length === 2, "both requests");
    const event = EventFd.create();
    await peer.send(frame(GetQueueNum, REPLY, FAILED, [event.descriptor]));
    event.close();
    await peer.send(frame(GetMaxMemSlots, REPLY, OK));
    assert.equal((await next).value, 0n);
  });

  test("an aborted call rejects with the reason; aborted before, nothing is sent", async (t) => {
    const { caller, peer, asked } = calling(t);
    const reason = new Error("changed my mind");
    await assert.rejects(
      caller.call(GetQueueNum, undefined, { signal: AbortSignal.abort(reason) }),
      reason,
    );
    const controller = new AbortController();
    const call = caller.call(GetMaxMemSlots, undefined, { signal: controller.signal });
    await until(() => asked.length === 1, "the request");
    assert.equal(asked[0]?.header.request, GetMaxMemSlots);
    controller.abort(reason);
    await assert.rejects(call, reason);
    const next = caller.call(GetQueueNum, undefined);
    await peer.send(frame(GetMaxMemSlots, REPLY, OK));
    await peer.send(frame(GetQueueNum, REPLY, FAILED));
    assert.equal((await next).value, 1n);
  });

  test("a peer that does not read holds no call for ever, whether or not a reply is due", async (t) => {
    const [ours, silent] = UnixSocket.pair();
    const channel = new UnixChannel(ours);
    t.after(() => {
      channel.close();
      silent.close();
    });
    const negotiation = new Negotiation();
    const caller = new Caller(channel, {
      direction: "front-end",
      negotiation,
      strictness: "lenient",
      timeoutMs: 100,
    });
    const event = EventFd.create();
    const calls: Promise<unknown>[] = [];
    for (let i = 0; i < 1000; i += 1) {
      calls.push(caller.call(SetVringCall, { index: 0, noFd: false }, { fds: [event.descriptor] }));
    }
    // Only borrowed: messages that the kernel has not taken keep duplicates.
    event.close();
    const results = await Promise.allSettled(calls);
    const last = results.at(-1);
    assert.ok(
      last?.status === "rejected" && last.reason instanceof TimeoutError,
      "the socket never filled",
    );
    assert.match(last.reason.message, /the peer did not read the message within 100 ms/);
  });

  test("no more than 1024 answers are waited for", async (t) => {
    const { caller, ours } = calling(t);
    const calls = Array.from({ length: 1025 }, () => caller.call(GetFeatures, undefined));
    const last = calls.at(-1);
    assert.ok(last);
    await assert.rejects(last, StateError);
    ours.close();
    await Promise.allSettled(calls);
  });

  test("the end of the connection rejects what waits, naming the request", async (t) => {
    const { caller, peer, asked } = calling(t);
    const calls = [caller.call(GetFeatures, undefined), caller.call(GetQueueNum, undefined)];
    await until(() => asked.length === 2, "the requests");
    peer.close();
    for (const [i, name] of ["GET_FEATURES", "GET_QUEUE_NUM"].entries()) {
      const call = calls[i];
      assert.ok(call);
      await assert.rejects(
        call,
        (error) =>
          error instanceof PeerClosedError &&
          error.message === `VHOST_USER_${name}: the peer closed the connection`,
      );
    }
    await assert.rejects(caller.call(GetFeatures, undefined), PeerClosedError);
  });

  test("closing on our side rejects what waits", async (t) => {
    const { caller, ours } = calling(t);
    const call = caller.call(GetFeatures, undefined);
    ours.close();
    await assert.rejects(call, /closed on this side/);
  });

  test("what needs a feature is not sent without it, unless it is meant so", async (t) => {
    const { caller, peer, asked } = calling(t, { protocolFeatures: 0n });
    await assert.rejects(caller.call(GetQueueNum, undefined), NegotiationError);
    const call = caller.call(GetQueueNum, undefined, { unchecked: true });
    await until(() => asked.length === 1, "the request");
    await peer.send(frame(GetQueueNum, REPLY, OK));
    assert.equal((await call).value, 0n);
    await assert.rejects(caller.call(99, undefined), RangeError);
  });

  test("a request from the peer: it plays the same role", async (t) => {
    const { peer, ours } = calling(t);
    await peer.send(frame(GetFeatures, HeaderFlag.Version));
    const { by, error } = await ours.closed;
    assert.equal(by, "error");
    assert.match(error.message, /sent the request VHOST_USER_GET_FEATURES: it plays the same role/);
  });

  test("an acknowledgement asked for without REPLY_ACK: lenient drops it, as libvhost-user sends it", async (t) => {
    for (const strictness of ["lenient", "strict"] as const) {
      const { caller, peer, asked, ours } = calling(t, {
        strictness,
        protocolFeatures: ProtocolFeature.Mq,
      });
      await caller.call(SetFeatures, 1n, { needReply: true });
      await until(() => asked[0]?.header.flags === 0x9, "the request");
      const next = caller.call(GetQueueNum, undefined);
      await peer.send(frame(SetFeatures, REPLY, OK));
      await peer.send(frame(GetQueueNum, REPLY, FAILED)).catch(() => undefined);
      if (strictness === "lenient") assert.equal((await next).value, 1n);
      else {
        await assert.rejects(next, ProtocolError);
        assert.equal((await ours.closed).by, "error");
      }
    }
  });

  test("strict and lenient: flags 0xd, reserved flags, surplus bytes and descriptors", async (t) => {
    const event = EventFd.create();
    t.after(() => event.close());
    for (const [flags, payload, fds] of [
      [0xd, OK, []],
      [0x15, OK, []],
      [REPLY, new Uint8Array(9), []],
      [REPLY, OK, [event.descriptor]],
    ] as const) {
      for (const strictness of ["lenient", "strict"] as const) {
        const { caller, peer } = calling(t, { strictness });
        const call = caller.call(GetQueueNum, undefined);
        await peer.send(frame(GetQueueNum, flags, payload, [...fds]));
        if (strictness === "lenient") assert.deepEqual(await call, { value: 0n, fds: [] });
        else await assert.rejects(call, ProtocolError);
      }
    }
  });
});

describe("Answerer", () => {
  test("answers one after another, in order, however long each takes", async (t) => {
    const order: string[] = [];
    const { peer, replies } = answering(t, {
      [GetQueueNum]: async () => {
        order.push("first begins");
        await new Promise((resolve) => setImmediate(resolve));
        order.push("first ends");
        return 1n;
      },
      [GetMaxMemSlots]: () => {
        order.push("second");
        return 2n;
      },
    });
    await peer.send(frame(GetQueueNum, 1));
    await peer.send(frame(GetMaxMemSlots, 1));
    await until(() => replies.length === 2, "the replies");
    assert.deepEqual(order, ["first begins", "first ends", "second"]);
    assert.deepEqual(
      replies.map(({ header }) => [header.request, header.flags]),
      [
        [GetQueueNum, 5],
        [GetMaxMemSlots, 5],
      ],
    );
  });

  test("acknowledges what is asked to be, with 0 or with 1, and goes on", async (t) => {
    const { peer, replies, refused } = answering(t, {
      [SetVringNum]: (payload) => {
        if ((payload as { num: number }).num === 3) throw new ProtocolError("expected no 3, got 3");
      },
    });
    const ring = (num: number): Uint8Array => Uint8Array.of(0, 0, 0, 0, num, 0, 0, 0);
    await peer.send(frame(SetVringNum, 0x9, ring(4)));
    await peer.send(frame(SetVringNum, 0x9, ring(3)));
    await peer.send(frame(SetVringNum, 0x1, ring(4)));
    await peer.send(frame(SetVringNum, 0x9, ring(5)));
    await until(() => replies.length === 3, "the replies");
    assert.deepEqual(
      replies.map(({ payload }) => payload[0]),
      [0, 1, 0],
    );
    assert.deepEqual(
      refused.map(({ message }) => message),
      ["expected no 3, got 3"],
    );
  });

  test("an unknown request is acknowledged with 1 under REPLY_ACK, and otherwise ends the session", async (t) => {
    for (const request of [0, 46, 255, 2 ** 32 - 1]) {
      const { peer, replies, ours, refused } = answering(t, { [GetQueueNum]: () => 1n });
      await peer.send(frame(request, 0x9, new Uint8Array(4)));
      await until(() => replies.length === 1, "the acknowledgement");
      assert.deepEqual([replies[0]?.header.request, replies[0]?.payload[0]], [request, 1]);
      await peer.send(frame(GetQueueNum, 1));
      await until(() => replies.length === 2, "the next reply");
      await peer.send(frame(request, 1));
      const { by, error } = await ours.closed;
      assert.equal(by, "error");
      assert.match(error.message, new RegExp(`request ${request} is not one of the specification`));
      assert.equal(refused.length, 2);
    }
  });

  test("without REPLY_ACK need_reply means nothing: a refusal ends the connection", async (t) => {
    const { peer, replies, ours } = answering(t, {}, { protocolFeatures: 0n });
    await peer.send(frame(SetFeatures, 0x9, OK));
    assert.match((await ours.closed).error.message, /SET_FEATURES is not implemented here/);
    assert.equal(replies.length, 0);
  });

  test("IOTLB_MSG and POSTCOPY_LISTEN are acknowledged without REPLY_ACK as well", async (t) => {
    const { peer, replies, negotiation } = answering(
      t,
      {
        [FrontendRequest.IotlbMsg]: () => undefined,
        [FrontendRequest.PostcopyListen]: () => undefined,
        [FrontendRequest.PostcopyEnd]: () => 0n,
      },
      { protocolFeatures: ProtocolFeature.Pagefault },
    );
    negotiation.features = VirtioFeature.AccessPlatform;
    const update = new Uint8Array(32);
    update[25] = 2;
    await peer.send(frame(FrontendRequest.IotlbMsg, 0x9, update));
    await peer.send(frame(FrontendRequest.PostcopyListen, 0x9));
    await peer.send(frame(FrontendRequest.PostcopyEnd, 0x9));
    await until(() => replies.length === 3, "the replies");
    assert.deepEqual(
      replies.map(({ header, payload }) => [header.request, payload.length]),
      [
        [22, 8],
        [29, 8],
        [30, 8],
      ],
    );
  });

  test("SET_LOG_BASE: with LOG_SHMFD always a reply, without it an acknowledgement if asked", async (t) => {
    const log = new Uint8Array(16);
    const handler = { [FrontendRequest.SetLogBase]: () => new Uint8Array(0) };
    const event = EventFd.create();
    t.after(() => event.close());
    const shared = answering(t, handler, { protocolFeatures: ProtocolFeature.LogShmfd });
    await shared.peer.send(frame(FrontendRequest.SetLogBase, 0x1, log, [event.descriptor]));
    await until(() => shared.replies.length === 1, "the reply");
    const plain = answering(t, handler);
    await plain.peer.send(frame(FrontendRequest.SetLogBase, 0x1, log, [event.descriptor]));
    await plain.peer.send(frame(FrontendRequest.SetLogBase, 0x9, log, [event.descriptor]));
    await until(() => plain.replies.length === 1, "the acknowledgement");
    assert.equal(plain.replies[0]?.payload.length, 8);
  });

  test("descriptors of a reply arrive and are closed here, also when the reply is refused", async (t) => {
    const made: EventFd[] = [];
    let fail = false;
    const { peer, replies } = answering(
      t,
      {
        [FrontendRequest.GetInflightFd]: (payload, { replyFds }) => {
          const event = EventFd.create();
          made.push(event);
          replyFds.push(event.descriptor);
          if (fail) throw new StateError("no");
          return payload;
        },
      },
      { protocolFeatures: ProtocolFeature.InflightShmfd },
    );
    await peer.send(frame(FrontendRequest.GetInflightFd, 1, new Uint8Array(24)));
    await until(() => replies.length === 1, "the reply");
    assert.equal(replies[0]?.fds.length, 1);
    for (const fd of replies[0]?.fds ?? []) fd.close();
    fail = true;
    await peer.send(frame(FrontendRequest.GetInflightFd, 1, new Uint8Array(24)));
    await peer.closed;
    assert.deepEqual(
      made.map(({ descriptor }) => descriptor.closed),
      [true, true],
    );
  });

  test("requests that came with more than they need: lenient serves, strict refuses", async (t) => {
    for (const [flags, payload] of [
      [0x19, OK],
      [0x9, new Uint8Array(12)],
    ] as const) {
      for (const strictness of ["lenient", "strict"] as const) {
        const { peer, replies } = answering(t, { [SetFeatures]: () => undefined }, { strictness });
        await peer.send(frame(SetFeatures, flags, payload));
        await until(() => replies.length === 1, "the acknowledgement");
        assert.equal(replies[0]?.payload[0], strictness === "lenient" ? 0 : 1);
      }
    }
  });

  test("a peer that asks and never reads is not read any more: we keep one reply", async (t) => {
    const [ours, theirs] = UnixSocket.pair();
    const channel = new UnixChannel(ours);
    t.after(() => {
      channel.close();
      theirs.close();
    });
    let served = 0;
    const negotiation = new Negotiation();
    const answerer = new Answerer(channel, {
      direction: "front-end",
      negotiation,
      strictness: "lenient",
    });
    answerer.on(GetFeatures, () => {
      served += 1;
      return 0n;
    });
    answerer.start();
    const request = Uint8Array.of(1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0);
    // Until both directions of the socket are full and stay so.
    let idle = 0;
    let sent = 0;
    for (let before = -1; idle < 50; before = served) {
      while (theirs.send(request, 0, 12) === 12) sent += 1;
      await new Promise((resolve) => setImmediate(resolve));
      idle = served === before ? idle + 1 : 0;
    }
    assert.ok(sent > served + 50, `${sent} were sent, ${served} served`);
    // It goes on once the peer reads.
    const sink = new Uint8Array(1 << 20);
    let replies = 0;
    await until(() => {
      const count = theirs.receive(sink, 0, sink.length, []);
      if (count > 0) replies += count / 20;
      return replies === sent;
    }, "all replies");
    assert.equal(served, sent);
  });

  test("nothing is reported as refused when the connection merely went away", async (t) => {
    let release: (() => void) | undefined;
    const { peer, ours, refused } = answering(t, {
      [SetFeatures]: async () => {
        await new Promise<void>((resolve) => (release = resolve));
        throw new StateError("the session is over");
      },
    });
    await peer.send(frame(SetFeatures, 0x9, OK));
    await until(() => release !== undefined, "the request");
    ours.close();
    await ours.closed;
    release?.();
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(refused, []);
  });

  test("the back-end's requests have numbers of their own", async (t) => {
    let changes = 0;
    const { peer, replies } = answering(
      t,
      { [BackendRequest.ConfigChangeMsg]: () => void (changes += 1) },
      {
        direction: "back-end",
        protocolFeatures:
          ProtocolFeature.ReplyAck | ProtocolFeature.Config | ProtocolFeature.BackendReq,
      },
    );
    await peer.send(frame(BackendRequest.ConfigChangeMsg, 0x9));
    await until(() => replies.length === 1, "the acknowledgement");
    assert.equal(changes, 1);
  });
});
