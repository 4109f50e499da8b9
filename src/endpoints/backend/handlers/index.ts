import type { HandlerRegistry } from "../../../core/session/index.ts";
import type { SessionState } from "../session-state.ts";
import { answerConfig } from "./config.ts";
import { answerDeviceRequests } from "./device-requests.ts";
import { answerDeviceState } from "./device-state.ts";
import { answerInflight } from "./inflight.ts";
import { answerIotlb } from "./iotlb.ts";
import { answerLog } from "./log.ts";
import { answerMemory } from "./memory.ts";
import { answerNegotiation } from "./negotiation.ts";
import { answerPostcopy } from "./postcopy.ts";
import { answerVrings } from "./vrings.ts";

/** Sets handlers for some of the front-end's requests. */
export type Answer = (session: SessionState, answerer: HandlerRegistry<"front-end">) => void;

/** The handlers of all requests that a back-end serves. */
export const answers: readonly Answer[] = [
  answerNegotiation,
  answerMemory,
  answerLog,
  answerIotlb,
  answerInflight,
  answerVrings,
  answerConfig,
  answerDeviceRequests,
  answerDeviceState,
  answerPostcopy,
];
