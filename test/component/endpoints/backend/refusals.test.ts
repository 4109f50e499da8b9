import assert from "node:assert/strict";
import { test } from "node:test";
import { NegotiationError, RemoteError } from "../../../../src/core/base/index.ts";
import {
  FrontendRequest,
  frontendRequests,
  ProtocolFeature,
} from "../../../../src/core/protocol/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { refusals } from "../../../coverage/evidence.ts";
import { connectDisk, serveDisk } from "../../support/session.ts";
import { RawFrontend } from "../../../../src/lab/wire/index.ts";

guardLeaks();

const { XenMmap, Pagefault, ReplyAck } = ProtocolFeature;

const refused = (role: "client" | "back-end"): Set<string> =>
  new Set(refusals.filter((each) => each.role === role).map(({ name }) => name));

test("features that the back-end refuses are not offered, and not taken", async (t) => {
  const served = await serveDisk(t);
  const raw = await RawFrontend.connect(served.path);
  t.after(() => raw.close());
  await raw.send(FrontendRequest.SetProtocolFeatures, ReplyAck);
  // Postcopy is off by default.
  for (const feature of [XenMmap, Pagefault]) {
    const answer = await raw.ask(FrontendRequest.SetProtocolFeatures, ReplyAck | feature);
    assert.equal(answer, 1n);
  }
  assert.match(served.problems[0]?.message ?? "", /VHOST_USER_PROTOCOL_F_XEN_MMAP/);
});

test("requests that the back-end refuses are refused by name", async (t) => {
  const { PostcopyAdvise, PostcopyListen, PostcopyEnd } = frontendRequests;
  for (const { number: request, name } of [PostcopyAdvise, PostcopyListen, PostcopyEnd]) {
    assert.ok(refused("client").has(name), name);
    const served = await serveDisk(t);
    const client = await connectDisk(t, served);
    await assert.rejects(client.requests.call(request, undefined), NegotiationError);
    await assert.rejects(
      client.requests.call(request, undefined, { unchecked: true }),
      (error) => error instanceof Error && !(error instanceof NegotiationError),
    );
    assert.match(served.problems[0]?.message ?? "", new RegExp(name));
  }
});

test("RESET_OWNER, deprecated: rings are disabled, and the session goes on", async (t) => {
  const served = await serveDisk(t);
  const client = await connectDisk(t, served);
  await client.requests.setVringEnable(0, true);
  await client.requests.resetOwner();
  const [session] = served.server.sessions;
  assert.equal(session?.vrings[0]?.enabled, false);
  assert.ok((await client.requests.getFeatures()) > 0n);
  await assert.rejects(client.requests.setVringNum(0, 3), RemoteError);
});
