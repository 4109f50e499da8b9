import { FrontendRequest, type Iotlb } from "../../../core/protocol/index.ts";
import type { RequestHandler } from "../../../core/session/index.ts";
import type { BackendSession } from "../session.ts";

/** Translations of I/O virtual addresses. */
export function answerIotlb(
  session: BackendSession,
  on: (request: number, handler: RequestHandler) => void,
): void {
  on(FrontendRequest.IotlbMsg, (payload) => session.iommu.take(payload as Iotlb));
}
