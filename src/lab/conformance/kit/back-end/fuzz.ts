import { closeSync, openSync } from "node:fs";
import {
  createPipe,
  EventFd,
  OwnedFd,
  SharedMemory,
  UnixSocket,
} from "../../../../core/os/index.ts";
import { FrontendRequest, requestSpec } from "../../../../core/protocol/index.ts";
import type { CheckContext } from "./context.ts";
import { CaseFailure } from "../../../engine/index.ts";
import { Flags } from "../../../wire/index.ts";
import { nameOf, type Session } from "./session.ts";

/** Numbers of all requests of a front-end. */
export const FRONTEND_REQUESTS: readonly number[] = Object.values(FrontendRequest);

/** Returns `length` random bytes. */
export function randomBytes(t: CheckContext, length: number): Uint8Array {
  return Uint8Array.from({ length }, () => t.random() * 256);
}

/** Returns the shortest payload of a request, in zeroes: ring 0, nothing enabled. */
export function plainPayload(request: number): Uint8Array {
  return new Uint8Array(requestSpec("front-end", request)?.payload.minSize ?? 0);
}

/**
 * Sends a request, and checks whether the session stays open; other replies are dropped.
 *
 * @param need an acknowledgement is asked for, where that was negotiated
 * @returns whether the session lives
 * @throws {CaseFailure} the target hangs; an answer was due and something behind it was answered
 */
export async function goesOn(
  session: Session,
  request: number,
  payload: Uint8Array,
  { fds = [], need = false }: { fds?: readonly OwnedFd[]; need?: boolean } = {},
): Promise<boolean> {
  // Whether SET_PROTOCOL_FEATURES is acknowledged may depend on what it sets.
  const due = need && session.acknowledges && request !== FrontendRequest.SetProtocolFeatures;
  await session.send(request, payload, { fds, flags: due ? Flags.NeedReply : Flags.Request });
  // The probe is another request, so that the two answers differ.
  const probe =
    request === FrontendRequest.GetFeatures
      ? FrontendRequest.GetProtocolFeatures
      : FrontendRequest.GetFeatures;
  await session.send(probe);
  for (let answered = !due; ; answered = true) {
    const next = await session.answerOrEnd(`the reply after ${nameOf(request)}`);
    if (next === "closed") return false;
    if (next.header.request !== probe) continue;
    if (answered) return true;
    throw new CaseFailure(`${nameOf(request)} with need_reply was not answered`, {
      grade: "FAIL",
      expected: "an answer, or the end of the connection",
      actual: `the answer to ${nameOf(probe)} behind it`,
    });
  }
}

function directory(): OwnedFd {
  const fd = openSync("/", "r");
  try {
    return OwnedFd.duplicateOf(fd);
  } finally {
    closeSync(fd);
  }
}

/** Opens `count` random descriptors of all kinds; the caller closes them. */
export function randomDescriptors(t: CheckContext, count: number): OwnedFd[] {
  const kinds: readonly (() => OwnedFd)[] = [
    () => {
      const { read, write } = createPipe();
      write.close();
      return read;
    },
    () => {
      const [one, other] = UnixSocket.pair();
      other.close();
      return one.detach();
    },
    () => SharedMemory.create("vhost-user-conform", 4096).fd,
    () => EventFd.create().descriptor,
    directory,
  ];
  return Array.from({ length: count }, () => {
    const kind = kinds[Math.floor(t.random() * kinds.length)];
    return (kind ?? (() => EventFd.create().descriptor))();
  });
}
