import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import {
  FrontendRequest,
  HeaderFlag,
  protocolFeatureNames,
  protocolFeatures,
  requestSpec,
  VirtioFeature,
} from "../../src/core/protocol/index.ts";
import type { FrameObserver } from "../../src/core/transport/index.ts";
import { type Conversation, conversationsPath } from "./conversations.ts";

/**
 * What passes between our roles and real programs, request by request: docs/reference/protocol-coverage.md
 * is made from `test/coverage/conversations.json`, and the tests of peers see that it is true. Run
 * with `VHOST_USER_RECORD=1` they write it again.
 */
const recording = process.env["VHOST_USER_RECORD"] === "1";

const LOG_ALL = "VHOST_F_LOG_ALL";

export interface Heard {
  readonly requests: Set<string>;
  readonly features: Set<string>;
}

/** Collects requests and acknowledged features as they pass. */
export function listen(): Heard & { readonly observe: FrameObserver } {
  const requests = new Set<string>();
  const features = new Set<string>();
  return {
    requests,
    features,
    observe: (_way, { header, payload }, direction) => {
      if ((header.flags & HeaderFlag.Reply) !== 0) return;
      const name = requestSpec(direction, header.request)?.name;
      if (name) requests.add(name);
      if (direction !== "front-end") return;
      const value = (): bigint => protocolFeatures.decode(payload.subarray(0, 8));
      if (header.request === FrontendRequest.SetProtocolFeatures)
        for (const each of protocolFeatureNames(value())) features.add(each);
      else if (header.request === FrontendRequest.SetFeatures && value() & VirtioFeature.LogAll)
        features.add(LOG_ALL);
    },
  };
}

/** The same from what `-v` has printed. */
export function heardIn(text: string): Heard {
  const requests = new Set<string>();
  const features = new Set<string>();
  for (const [, name = "", rest = ""] of text.matchAll(/^(?:\S+Z )?[<>] (VHOST_USER_\w+)(.*)$/gm)) {
    if (/^ reply\b/.test(rest)) continue;
    requests.add(name);
    if (name === "VHOST_USER_SET_PROTOCOL_FEATURES")
      for (const [each] of rest.matchAll(/VHOST_USER_PROTOCOL_F_\w+/g)) features.add(each);
    if (name === "VHOST_USER_SET_FEATURES" && rest.includes(LOG_ALL)) features.add(LOG_ALL);
  }
  return { requests, features };
}

/** Compares what passed with what is on record: all of that must have passed again. */
export function assertHeard(role: Conversation["role"], peer: string, heard: Heard): void {
  const all = JSON.parse(readFileSync(conversationsPath, "utf8")) as Conversation[];
  const at = all.findIndex((each) => each.role === role && each.peer === peer);
  if (recording) {
    const requests = [...heard.requests].sort();
    all[at < 0 ? all.length : at] = { role, peer, requests, features: [...heard.features].sort() };
    writeFileSync(conversationsPath, `${JSON.stringify(all, undefined, 2)}\n`);
    return;
  }
  const recorded = all[at];
  assert.ok(recorded, `no record of our ${role} with ${peer}`);
  const missing = [
    ...recorded.requests.filter((name) => !heard.requests.has(name)),
    ...recorded.features.filter((name) => !heard.features.has(name)),
  ];
  assert.deepEqual(missing, [], `what passed with ${peer} once`);
}
