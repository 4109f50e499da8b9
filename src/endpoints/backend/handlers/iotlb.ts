import { FrontendRequest } from "../../../core/protocol/index.ts";
import type { HandlerRegistry } from "../../../core/session/index.ts";
import type { SessionState } from "../session-state.ts";

/** Translations of I/O virtual addresses. */
export function answerIotlb(session: SessionState, answerer: HandlerRegistry<"front-end">): void {
  answerer.on(FrontendRequest.IotlbMsg, (payload) => session.iommu.take(payload));
}
