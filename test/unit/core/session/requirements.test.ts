import assert from "node:assert/strict";
import { test } from "node:test";
import { NegotiationError } from "../../../../src/core/base/index.ts";
import {
  FrontendRequest,
  frontendRequests,
  ProtocolFeature,
  requestSpec,
  VirtioFeature,
} from "../../../../src/core/protocol/index.ts";
import { expectRequirements } from "../../../../src/core/session/requirements.ts";
import { Negotiation } from "../../../../src/core/session/index.ts";

function negotiated(values: Partial<Negotiation>): Negotiation {
  return Object.assign(new Negotiation(), values);
}

function check(request: FrontendRequest, negotiation: Negotiation): void {
  const spec = requestSpec("front-end", request);
  assert.ok(spec);
  expectRequirements(spec, negotiation);
}

test("a request without conditions may always be sent", () => {
  check(FrontendRequest.GetFeatures, new Negotiation());
});

test("an offered, an acknowledged and a protocol feature are distinguished, and named", () => {
  const { ProtocolFeatures } = VirtioFeature;
  const protocol = FrontendRequest.GetProtocolFeatures;
  assert.throws(
    () => check(protocol, new Negotiation()),
    /VHOST_USER_F_PROTOCOL_FEATURES offered; that was not negotiated/,
  );
  check(protocol, negotiated({ offered: ProtocolFeatures }));
  const enable = FrontendRequest.SetVringEnable;
  assert.throws(() => check(enable, negotiated({ offered: ProtocolFeatures })), NegotiationError);
  check(enable, negotiated({ features: ProtocolFeatures }));
  assert.throws(
    () => check(FrontendRequest.GetConfig, new Negotiation()),
    (error) =>
      error instanceof NegotiationError &&
      /GET_CONFIG needs VHOST_USER_PROTOCOL_F_CONFIG/.test(error.message),
  );
  check(FrontendRequest.GetConfig, negotiated({ protocolFeatures: ProtocolFeature.Config }));
});

test("for GET_QUEUE_NUM, SEND_RARP and NET_SET_MTU a back-end's offer is enough", () => {
  const { Mq, Rarp, Mtu, Config } = ProtocolFeature;
  const offeredProtocolFeatures = Mq | Rarp | Mtu | Config;
  const offered = negotiated({ offeredProtocolFeatures, features: 1n << 3n });
  check(FrontendRequest.GetQueueNum, offered);
  check(FrontendRequest.SendRarp, offered);
  check(FrontendRequest.NetSetMtu, offered);
  assert.throws(() => check(FrontendRequest.GetConfig, offered), NegotiationError);
  assert.throws(() => check(FrontendRequest.GetQueueNum, new Negotiation()), NegotiationError);
});

test("all features of the table at once allow every request but those that a feature forbids", () => {
  const all = negotiated({
    offered: 2n ** 64n - 1n,
    features: 2n ** 64n - 1n,
    protocolFeatures: 2n ** 64n - 1n,
  });
  for (const spec of Object.values(frontendRequests)) {
    const { without = 0n } = spec.requires as { without?: bigint };
    if (without === 0n) expectRequirements(spec as never, all);
    else assert.throws(() => expectRequirements(spec as never, all), /must not be sent with/);
  }
});

test("presumed features count where they were offered, until the front-end acknowledges any", () => {
  const enable = requestSpec("front-end", FrontendRequest.SetVringEnable);
  assert.ok(enable);
  const offered = VirtioFeature.ProtocolFeatures;
  // QEMU enables rings before SET_FEATURES.
  expectRequirements(enable, negotiated({ offered }), offered);
  assert.throws(() => expectRequirements(enable, negotiated({ offered })));
  assert.throws(() => expectRequirements(enable, negotiated({}), offered));
  // A front-end that acknowledged a feature had the choice.
  const features = VirtioFeature.Version1;
  assert.throws(() => expectRequirements(enable, negotiated({ offered, features }), offered));
});
