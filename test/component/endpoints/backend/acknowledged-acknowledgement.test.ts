import assert from "node:assert/strict";
import { test } from "node:test";
import { FrontendRequest, ProtocolFeature } from "../../../../src/core/protocol/index.ts";
import { guardLeaks } from "../../../support/leak-guard.ts";
import { RawFrontend } from "../../../../src/lab/wire/index.ts";
import { serveDisk } from "../../support/session.ts";

guardLeaks();

test("the request that acknowledges REPLY_ACK is itself answered when it asks for that", async (t) => {
  const raw = await RawFrontend.connect((await serveDisk(t)).path);
  t.after(() => raw.close());
  assert.equal(await raw.ask(FrontendRequest.SetProtocolFeatures, ProtocolFeature.ReplyAck), 0n);
  assert.equal(await raw.ask(FrontendRequest.SetOwner), 0n);
});

test("a request that gives REPLY_ACK up is answered for the last time", async (t) => {
  const raw = await RawFrontend.connect((await serveDisk(t)).path);
  t.after(() => raw.close());
  await raw.send(FrontendRequest.SetProtocolFeatures, ProtocolFeature.ReplyAck);
  assert.equal(await raw.ask(FrontendRequest.SetProtocolFeatures, ProtocolFeature.Mq), 0n);
  await raw.send(FrontendRequest.SetOwner, undefined, { flags: 9 });
  await raw.send(FrontendRequest.GetFeatures);
  const next = await raw.next();
  assert.ok(typeof next === "object");
  assert.equal(next.header.request, FrontendRequest.GetFeatures);
});
