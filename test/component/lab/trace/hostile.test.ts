import assert from "node:assert/strict";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import fc from "fast-check";
import { Deferred } from "../../../../src/core/base/index.ts";
import { EventFd } from "../../../../src/core/os/index.ts";
import { FrontendRequest } from "../../../../src/core/protocol/index.ts";
import { frameBytes } from "../../../../src/core/transport/index.ts";
import { type TraceEvent, Tracer } from "../../../../src/lab/trace/index.ts";
import {
  messageBytes,
  RawBackend,
  RawFrontend,
  type RawPeer,
  Relay,
} from "../../../../src/lab/wire/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { temporaryFolder } from "../../support/folder.ts";
import { traceManySessions } from "./support/sessions.ts";
import { until } from "../../../support/until.ts";

guardLeaks();

const ROUNDS = 40;

/** What a hostile side sends at once. */
interface Chunk {
  readonly bytes: Uint8Array;
  readonly descriptors: number;
}

const anything = fc.uint8Array({ minLength: 1, maxLength: 40 });
const message = fc
  .record({
    request: fc.oneof(fc.integer({ min: 0, max: 50 }), fc.constantFrom(200, 0xffff_ffff)),
    flags: fc.oneof(fc.constantFrom(1, 9, 5, 0xd), fc.integer({ min: 0, max: 0xffff_ffff })),
    payload: fc.uint8Array({ maxLength: 300 }),
    surplus: fc.oneof(
      { weight: 9, arbitrary: fc.constant(0) },
      fc.constantFrom(1, 64, 0x7fff_ffff),
    ),
  })
  .map(({ request, flags, payload, surplus }) =>
    messageBytes(request, payload, { flags, size: payload.length + surplus }),
  );
const chunk: fc.Arbitrary<Chunk> = fc.record({
  bytes: fc.oneof({ weight: 9, arbitrary: message }, anything),
  descriptors: fc.oneof({ weight: 3, arbitrary: fc.constant(0) }, fc.integer({ min: 1, max: 3 })),
});
const side = fc.array(chunk, { minLength: 1, maxLength: 12 });

interface Hostile {
  readonly socket: string;
  readonly events: readonly TraceEvent[];
  readonly relay: Relay;
  /** The back-end of the next session. */
  readonly accepted: () => Promise<RawBackend>;
}

async function hostileRelay(t: TestContext): Promise<Hostile> {
  const folder = temporaryFolder(t);
  const [behind, socket] = [join(folder, "raw.sock"), join(folder, "trace.sock")];
  let next = new Deferred<RawBackend>();
  const server = await RawBackend.listen(behind, (backend) => next.resolve(backend));
  const events: TraceEvent[] = [];
  const problems: Error[] = [];
  const tracer = new Tracer({
    consumers: [{ event: (event) => void events.push(event) }],
    onProblem: (problem) => problems.push(problem),
  });
  const relay = await Relay.start({
    frontend: { listen: socket },
    backend: { connect: behind },
    hooks: (session, peers) => tracer.session(session, peers),
  });
  t.after(async () => {
    relay.close();
    tracer.close();
    server.close();
    await until(() => relay.sessions.size === 0, "the sessions to end");
    assert.deepEqual(problems, []);
  });
  const accepted = async (): Promise<RawBackend> => {
    const backend = await next.promise;
    next = new Deferred<RawBackend>();
    return backend;
  };
  return { socket, events, relay, accepted };
}

/** Sends everything, with descriptors of its own. */
async function attack(peer: RawPeer, chunks: readonly Chunk[]): Promise<void> {
  for (const { bytes, descriptors } of chunks) {
    const fds = Array.from({ length: descriptors }, () => EventFd.create());
    await peer.sendBytes(bytes, { fds: fds.map(({ descriptor }) => descriptor) });
    for (const fd of fds) fd.close();
  }
  peer.endWriting();
}

/** The messages that came, as bytes. */
async function received(peer: RawPeer): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for (;;) {
    const next = await peer.next();
    if (typeof next === "string") return Buffer.concat(parts);
    parts.push(frameBytes({ ...next, fds: [] }));
  }
}

test("both sides may send anything at once: what arrives is what was sent, as far as it goes", async (t) => {
  const { socket, events, relay, accepted } = await hostileRelay(t);
  const seed = Number(process.env["VHOST_USER_SEED"] ?? Date.now() % 1_000_000);
  t.diagnostic(`VHOST_USER_SEED=${seed}`);
  let [whole, bytes] = [0, 0];
  for (const [front, back] of fc.sample(fc.tuple(side, side), { seed, numRuns: ROUNDS })) {
    const frontend = await RawFrontend.connect(socket, { timeoutMs: 10_000 });
    const backend = await accepted();
    const [, , atFront, atBack] = await Promise.all([
      attack(frontend, front),
      attack(backend, back),
      received(frontend),
      received(backend),
    ]);
    frontend.close();
    backend.close();
    await until(() => relay.sessions.size === 0, "the session to end");
    for (const [came, chunks] of [
      [atBack, front],
      [atFront, back],
    ] as const) {
      const sent = Buffer.concat(chunks.map((each) => each.bytes));
      assert.ok(sent.subarray(0, came.length).equals(came), "bytes were changed");
      if (came.length === sent.length) whole += 1;
      bytes += came.length;
    }
  }
  // The attack is one: some sessions pass as a whole, and some are cut short.
  assert.ok(bytes > 1000 && whole > 0 && whole < 2 * ROUNDS, `${bytes} bytes, ${whole} whole`);
  const ends = events.filter(({ type }) => type === "closed");
  assert.equal(ends.length, ROUNDS);
  assert.ok(events.some((event) => event.type === "message" && event.violations.length > 0));
});

test("a stream that cannot be followed ends its session with the reason", async (t) => {
  const { socket, events, accepted } = await hostileRelay(t);
  const frontend = await RawFrontend.connect(socket);
  const backend = await accepted();
  await frontend.sendBytes(
    messageBytes(FrontendRequest.SetMemTable, new Uint8Array(), { size: 0x7fff_ffff }),
  );
  assert.equal(await backend.next(), "closed");
  frontend.close();
  backend.close();
  const end = events.at(-1);
  assert.ok(end?.type === "closed");
  assert.deepEqual([end.by, end.how], ["front-end", "broken"]);
  assert.match(end.reason, /announces 2147483647/);
});

test("five sessions through a trace leave no descriptor behind", async (t) => {
  await traceManySessions(t, 5);
});
