import { FrontendRequest } from "../../../core/protocol/index.ts";
import type { HandlerRegistry } from "../../../core/session/index.ts";
import type { SessionState } from "../session-state.ts";

/** The destination of a postcopy migration; its table of memory is served with other tables. */
export function answerPostcopy(
  session: SessionState,
  answerer: HandlerRegistry<"front-end">,
): void {
  const { postcopy, negotiation } = session;
  answerer.on(FrontendRequest.PostcopyAdvise, (_payload, { replyFds }) => {
    try {
      replyFds.push(postcopy.advise());
    } catch (error) {
      // An answer without a descriptor is how the specification has a back-end refuse.
      session.problems.refuse(error);
    }
  });
  answerer.on(FrontendRequest.PostcopyListen, () => {
    postcopy.listen(session.memory.regions.length > 0);
    negotiation.postcopy = true;
  });
  answerer.on(FrontendRequest.PostcopyEnd, () => {
    postcopy.end();
    negotiation.postcopy = false;
    return 0n;
  });
}
