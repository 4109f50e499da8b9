import {
  type Direction,
  type Header,
  inspectMessage,
  type MessageFinding,
  type RequestSpec,
} from "../../core/protocol/index.ts";
import { expectRequirements, type Negotiation } from "../../core/session/index.ts";
import { asError } from "../../core/base/index.ts";
import type { Violation } from "./event.ts";
import type { Match } from "./outstanding.ts";

/** A message that is judged. */
export interface Judged {
  readonly channel: Direction;
  readonly header: Header;
  readonly payload: Uint8Array;
  readonly descriptors: number;
  readonly isReply: boolean;
  readonly spec: RequestSpec | undefined;
  readonly name: string;
}

/** Rules that a message breaks by itself: the checks of our own back-end, at their strictest. */
export function ownViolations(message: Judged): Violation[] {
  const { channel, header, payload, descriptors, isReply, spec } = message;
  return inspectMessage(channel, header, payload, descriptors, isReply).map((finding) => ({
    rule: `${finding.field} must be ${finding.expected}, not ${finding.actual}`,
    section: sectionOf(finding, spec),
  }));
}

/** Rules about when a request may be sent. */
export function requestViolations({ spec }: Judged, negotiation: Negotiation): Violation[] {
  if (spec === undefined) return [];
  try {
    expectRequirements(spec, negotiation);
    return [];
  } catch (error) {
    return [{ rule: asError(error).message, section: spec.section }];
  }
}

/** Rules about when a reply may be sent. */
export function replyViolations({ name }: Judged, match: Match): Violation[] {
  const { answers, due, skipped } = match;
  if (answers === undefined) {
    return [{ rule: `no ${name} waits for a reply`, section: "Communication" }];
  }
  return [
    ...(skipped === undefined
      ? []
      : [{ rule: `${skipped} must be answered first`, section: "Communication" }]),
    ...(due?.rule === "none"
      ? [
          {
            rule: "without VHOST_USER_PROTOCOL_F_REPLY_ACK no acknowledgement must be sent",
            section: "VHOST_USER_PROTOCOL_F_REPLY_ACK",
          },
        ]
      : []),
  ];
}

function sectionOf({ kind }: MessageFinding, spec: RequestSpec | undefined): string {
  return spec === undefined || kind === "flags" ? "Header" : spec.section;
}
