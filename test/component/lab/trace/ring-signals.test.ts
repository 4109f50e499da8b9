import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import {
  EventFd,
  type OwnedFd,
  setNonBlocking,
  statusFlags,
} from "../../../../src/core/os/index.ts";
import { FrontendRequest, HeaderFlag } from "../../../../src/core/protocol/index.ts";
import {
  type PassingSignal,
  RingSignals,
  SessionDecoder,
  type SignalFate,
} from "../../../../src/lab/trace/index.ts";
import { kernelObject } from "../../../../src/lab/wire/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

const R = FrontendRequest;
const PASS: SignalFate = { kind: "pass" };

/** One session whose messages a test passes, with what the receiver of each gets. */
class Passed {
  readonly seen: PassingSignal[] = [];
  readonly problems: string[] = [];
  readonly signals: RingSignals;
  readonly #session = new SessionDecoder({ session: 0 });
  readonly #owned: EventFd[] = [];

  constructor(t: TestContext, fate: (signal: PassingSignal) => SignalFate = () => PASS) {
    this.signals = new RingSignals({
      decide: (signal) => {
        this.seen.push(signal);
        return fate(signal);
      },
      onProblem: ({ message }) => void this.problems.push(message),
    });
    t.after(() => {
      this.signals.close();
      for (const each of this.#owned) each.close();
    });
  }

  event(): EventFd {
    const made = EventFd.create();
    this.#owned.push(made);
    return made;
  }

  /** Passes a message about a ring; returns the descriptor that its receiver gets. */
  message(request: number, ring: number, own?: EventFd, flags = 1): EventFd {
    const fds: OwnedFd[] = own === undefined ? [] : [own.descriptor.duplicate()];
    const isWord = request === R.SetVringKick || request === R.SetVringCall;
    const payload = new Uint8Array(8);
    payload[0] = ring;
    if (isWord && own === undefined) payload[1] = 1;
    const header = { request, flags, size: 8 };
    const isReply = (flags & HeaderFlag.Reply) !== 0;
    const from = isReply ? "back-end" : "front-end";
    const objects = fds.map(({ fd }) => kernelObject(fd));
    const event = this.#session.message(0, {
      from,
      channel: "front-end",
      header,
      payload,
      objects,
    });
    this.signals.message(event, { header, payload, fds });
    const [fd] = fds;
    if (fd === undefined) return this.event();
    const got = EventFd.adopt(fd);
    this.#owned.push(got);
    return got;
  }

  /** Stops a ring. */
  stop(ring: number): void {
    this.message(R.GetVringBase, ring);
    this.message(R.GetVringBase, ring, undefined, 1 | HeaderFlag.Reply);
  }

  close(): void {
    this.signals.event({
      type: "closed",
      us: 0,
      session: 0,
      how: "closed",
      reason: "",
      messages: 0,
      unanswered: [],
    });
  }
}

test("kicks and calls are seen, counted and passed on", async (t) => {
  const passed = new Passed(t);
  const [kick, call] = [passed.event(), passed.event()];
  const theirKick = passed.message(R.SetVringKick, 3, kick);
  const theirCall = passed.message(R.SetVringCall, 3, call);
  kick.signal();
  kick.signal();
  await until(() => theirKick.drain(), "the kick");
  theirCall.signal();
  await until(() => call.drain(), "the call");
  assert.deepEqual(passed.seen, [
    { session: 0, ring: 3, signal: "kick", signals: 2 },
    { session: 0, ring: 3, signal: "call", signals: 1 },
  ]);
  assert.deepEqual([kick.drain(), theirCall.drain()], [false, false]);
});

test("a kick that was signalled before a message is passed on before it", (t) => {
  const passed = new Passed(t);
  const kick = passed.event();
  const theirs = passed.message(R.SetVringKick, 0, kick);
  kick.signal();
  passed.message(R.SetVringEnable, 0);
  assert.equal(theirs.take(), 1);
});

test("the mode of a descriptor is that of the one it replaces, which keeps its own", (t) => {
  const passed = new Passed(t);
  for (const request of [R.SetVringKick, R.SetVringCall]) {
    for (const isNonBlocking of [true, false]) {
      const own = passed.event();
      setNonBlocking(own.descriptor.fd, isNonBlocking);
      const flags = statusFlags(own.descriptor.fd);
      const theirs = passed.message(request, 0, own);
      assert.equal(statusFlags(theirs.descriptor.fd), flags);
      own.signal();
      theirs.signal();
      passed.message(R.SetVringEnable, 0);
      assert.equal(statusFlags(own.descriptor.fd), flags);
    }
  }
});

for (const [how, end] of [
  ["its ring stops", (passed: Passed) => passed.stop(0)],
  ["the session ends", (passed: Passed) => passed.close()],
  ["it is replaced", (passed: Passed) => void passed.message(R.SetVringKick, 0)],
] as const) {
  test(`a kick that the back-end has not read is the front-end's again when ${how}`, (t) => {
    const passed = new Passed(t, ({ signals }) =>
      signals > 1 ? { kind: "delay", ms: 60_000 } : PASS,
    );
    const kick = passed.event();
    const theirs = passed.message(R.SetVringKick, 0, kick);
    for (const signals of [1, 2]) {
      for (let i = 0; i < signals; i += 1) kick.signal();
      passed.message(R.SetVringEnable, 0);
      assert.equal(kick.take(), 0);
      end(passed);
      assert.equal(theirs.take(), 0);
      assert.equal(kick.take(), 1);
      // From now on nothing takes them from the front-end.
      kick.signal();
      end(passed);
      assert.equal(kick.take(), 1);
      passed.message(R.SetVringNum, 0);
      if (!how.startsWith("its ring")) return;
    }
  });
}

test("a kick descriptor that is sent again keeps what waits in it", (t) => {
  const passed = new Passed(t);
  const kick = passed.event();
  passed.message(R.SetVringKick, 0, kick);
  kick.signal();
  const again = passed.message(R.SetVringKick, 0, kick);
  passed.message(R.SetVringEnable, 0);
  assert.equal(again.take(), 1);
});

test("calls of a descriptor that was replaced, and those at the end, reach the front-end", (t) => {
  const passed = new Passed(t);
  const [first, second] = [passed.event(), passed.event()];
  const theirFirst = passed.message(R.SetVringCall, 0, first);
  const theirSecond = passed.message(R.SetVringCall, 0, second);
  theirFirst.signal();
  theirSecond.signal();
  passed.close();
  assert.deepEqual([first.take(), second.take()], [1, 1]);
});

test("a fault drops a signal, or delays it, and a delay ends with the session", async (t) => {
  const passed = new Passed(t, ({ signal }) =>
    signal === "kick" ? { kind: "drop" } : { kind: "delay", ms: 60_000 },
  );
  const [kick, call] = [passed.event(), passed.event()];
  const theirKick = passed.message(R.SetVringKick, 0, kick);
  const theirCall = passed.message(R.SetVringCall, 0, call);
  kick.signal();
  theirCall.signal();
  await until(() => passed.seen.length === 2, "both signals");
  assert.deepEqual([theirKick.take(), call.take()], [0, 0]);
  passed.close();
  assert.deepEqual([kick.take(), call.take()], [0, 1]);
});

test("what is not an eventfd passes as it is, and that is reported", (t) => {
  const passed = new Passed(t);
  passed.message(R.SetVringKick, 0);
  assert.deepEqual(passed.problems, []);
  const memory = new SessionDecoder({ session: 0 });
  const header = { request: R.SetVringCall, flags: 1, size: 8 };
  const payload = new Uint8Array(8);
  const objects = [{ kind: "pipe" }];
  const place = { from: "front-end", channel: "front-end", header, payload, objects } as const;
  const own = EventFd.create();
  const fds = [own.descriptor];
  passed.signals.message(memory.message(0, place), { header, payload, fds });
  assert.equal(fds[0], own.descriptor);
  assert.deepEqual(passed.problems, [
    "call of ring 0 is not seen: it must be one eventfd, not pipe",
  ]);
  own.close();
});
