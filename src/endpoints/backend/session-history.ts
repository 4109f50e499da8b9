import type { CloseReason } from "../../core/transport/index.ts";

/** The last actions of a front-end, which often explain why it left. */
export class SessionHistory {
  /** Number of the last request that was served; undefined if there was none. */
  lastRequest: number | undefined;
  /** The error by which the last request was refused, if it was. */
  refusal: Error | undefined;
  /** True if a ring was ever started. */
  ringStarted = false;
  /** The side that closed the connection; undefined if it is open. */
  closedBy: CloseReason["by"] | undefined;

  /** A request is about to be served. */
  begin(request: number): void {
    this.lastRequest = request;
    this.refusal = undefined;
  }
}
