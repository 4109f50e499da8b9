import { FrontendRequest } from "../../../core/protocol/index.ts";
import type { RequestHandler } from "../../../core/session/index.ts";
import type { BackendSession } from "../session.ts";

/** The destination of a postcopy migration; its table of memory is served with other tables. */
export function answerPostcopy(
  session: BackendSession,
  on: (request: number, handler: RequestHandler) => void,
): void {
  const { postcopy, negotiation } = session;
  on(FrontendRequest.PostcopyAdvise, (_payload, { replyFds }) => {
    try {
      replyFds.push(postcopy.advise());
    } catch (error) {
      // An answer without a descriptor is how the specification has a back-end refuse.
      session.refuse(error);
    }
  });
  on(FrontendRequest.PostcopyListen, () => {
    postcopy.listen(session.memory.regions.length > 0);
    negotiation.postcopy = true;
  });
  on(FrontendRequest.PostcopyEnd, () => {
    postcopy.end();
    negotiation.postcopy = false;
    return 0n;
  });
}
