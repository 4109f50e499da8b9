import { Deferred } from "../../core/base/index.ts";
import {
  type Connection,
  microsecondsSince,
  openConnection,
  type Probe,
  type ProbeOptions,
} from "./connection.ts";

/** Milliseconds within which a front-end must send its first message: QEMU needs 0.2. */
const LISTEN_MS = 20;

/**
 * Finds out who listens on a socket, and asks without starting anything: no memory is shared and no
 * ring set up. A back-end gets GET_FEATURES, GET_PROTOCOL_FEATURES, SET_PROTOCOL_FEATURES (where
 * later answers depend on it), GET_QUEUE_NUM, GET_MAX_MEM_SLOTS and GET_CONFIG. A front-end gets
 * answers up to SET_PROTOCOL_FEATURES and is then left.
 *
 * Mind that a daemon which serves one front-end only, such as virtiofsd, may exit afterwards.
 *
 * @throws {ConnectError | EnvironmentError | UsageError | TimeoutError | PeerClosedError |
 *   ProtocolError}
 */
export async function probe(socketPath: string, options: ProbeOptions = {}): Promise<Probe> {
  const first = await openConnection(socketPath, options);
  try {
    // What asks is loaded here because the wait has room for it: that is most of a start's time.
    const [roleUs, { askBackend }, { askFrontend }] = await Promise.all([
      listen(first, options),
      import("./ask-backend.ts"),
      import("./ask-frontend.ts"),
    ]);
    try {
      if (!first.sawRequest()) return await askBackend(first, roleUs, options);
    } catch (error) {
      // A request where an answer was due: a front-end that took its time.
      if (!first.sawRequest()) throw error;
      first.channel.close();
      const second = await openConnection(socketPath, options);
      try {
        return await askFrontend(second, microsecondsSince(first.since), options);
      } finally {
        second.channel.close();
      }
    }
    return await askFrontend(first, roleUs, options);
  } finally {
    first.channel.close();
  }
}

/**
 * Waits for a front-end's first word, or for the time in which one would have spoken.
 *
 * @returns microseconds
 */
async function listen({ first, since }: Connection, { signal }: ProbeOptions): Promise<number> {
  const silence = new Deferred<void>({ signal });
  const timer = setTimeout(() => silence.resolve(), LISTEN_MS);
  try {
    await Promise.race([first, silence.promise]);
    return microsecondsSince(since);
  } finally {
    clearTimeout(timer);
    silence.resolve();
  }
}
