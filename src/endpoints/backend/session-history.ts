import type { CloseReason } from "../../core/transport/index.ts";

/** What a front-end did last: it often shows why the front-end left. */
export class SessionHistory {
  /** Number of the last request that was served; undefined if there was none. */
  lastRequest: number | undefined;
  /** Why the last request was refused, if it was. */
  refusal: Error | undefined;
  /** True if a ring was ever started. */
  ringStarted = false;
  /** Who closed the connection; undefined if it is open. */
  closedBy: CloseReason["by"] | undefined;

  /** A request is about to be served. */
  begin(request: number): void {
    this.lastRequest = request;
    this.refusal = undefined;
  }
}
