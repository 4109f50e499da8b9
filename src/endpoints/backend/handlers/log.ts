import { NegotiationError, ProtocolError } from "../../../core/base/index.ts";
import type { DirtyLog } from "../../../core/memory/index.ts";
import { FrontendRequest, ProtocolFeature } from "../../../core/protocol/index.ts";
import type { HandlerRegistry } from "../../../core/session/index.ts";
import { adoptEvent } from "../ring-events.ts";
import type { SessionState } from "../session-state.ts";

/**
 * The specification leaves the contents of the reply open with LOG_SHMFD; libvhost-user sends eight
 * bytes, too.
 */
const LOG_REPLY = new Uint8Array(8);

/** The dirty log: records writes to guest memory during a migration. */
export function answerLog(session: SessionState, answerer: HandlerRegistry<"front-end">): void {
  answerer.on(FrontendRequest.SetLogBase, async (payload, { fds }) => {
    if (!session.negotiation.has(ProtocolFeature.LogShmfd)) {
      throw new NegotiationError(
        "VHOST_USER_SET_LOG_BASE needs VHOST_USER_PROTOCOL_F_LOG_SHMFD, as a log can only be shared " +
          "by a descriptor; that was not negotiated",
      );
    }
    const fd = fds.shift();
    if (fd === undefined) {
      throw new ProtocolError("VHOST_USER_SET_LOG_BASE: the descriptor of the log is missing", {
        request: "VHOST_USER_SET_LOG_BASE",
        field: "descriptors",
      });
    }
    await changeLog(session, (log) => log.replace(payload, fd));
    return LOG_REPLY;
  });
  answerer.on(FrontendRequest.SetLogFd, async (_payload, { fds }) => {
    const event = adoptEvent(fds.shift());
    await changeLog(session, (log) => (log.event = event));
  });
}

/** Rings of the event loop see the change at once; those in workers start again with it. */
export async function changeLog(
  session: SessionState,
  change: (log: DirtyLog) => void,
): Promise<void> {
  const { vrings, memory } = session;
  try {
    for (const vring of vrings) await vring.pauseWorker();
    change(memory.log);
  } finally {
    for (const vring of vrings) vring.resumeWorker();
  }
}
