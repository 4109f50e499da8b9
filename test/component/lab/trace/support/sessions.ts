import assert from "node:assert/strict";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { EventFd } from "../../../../../src/core/os/index.ts";
import { FrontendRequest } from "../../../../../src/core/protocol/index.ts";
import { Tracer } from "../../../../../src/lab/trace/index.ts";
import { RawFrontend, Relay } from "../../../../../src/lab/wire/index.ts";
import { temporaryFolder } from "../../../support/folder.ts";
import { serveDisk } from "../../../support/session.ts";
import { leaksBetween, takeResources } from "../../../../support/leak-guard.ts";
import { until } from "../../../../support/until.ts";

/** Runs sessions through one trace, one after the other, and asserts that none leaves anything behind. */
export async function traceManySessions(t: TestContext, count: number): Promise<void> {
  const served = await serveDisk(t);
  const socket = join(temporaryFolder(t), "trace.sock");
  let closed = 0;
  const tracer = new Tracer({
    consumers: [{ event: ({ type }) => void (closed += type === "closed" ? 1 : 0) }],
  });
  const relay = await Relay.start({
    frontend: { listen: socket },
    backend: { connect: served.path },
    hooks: (session, peers) => tracer.session(session, peers),
  });
  t.after(() => {
    relay.close();
    tracer.close();
  });
  await oneSession(socket);
  const before = takeResources();
  for (let i = 0; i < count; i += 1) await oneSession(socket);
  await until(
    () => relay.sessions.size === 0 && served.server.sessions.size === 0,
    "the sessions to end",
  );
  assert.equal(closed, count + 1);
  assert.deepEqual(leaksBetween(before, takeResources()), []);
}

async function oneSession(socket: string): Promise<void> {
  const raw = await RawFrontend.negotiated(socket);
  const [kick, call] = [EventFd.create(), EventFd.create()];
  const on = { index: 0, noFd: false };
  await raw.ask(FrontendRequest.SetVringCall, on, [call.descriptor]);
  await raw.ask(FrontendRequest.SetVringKick, on, [kick.descriptor]);
  assert.ok(await raw.alive());
  raw.close();
  for (const event of [kick, call]) event.close();
}
