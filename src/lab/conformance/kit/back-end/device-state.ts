import { counted } from "../../../../core/base/index.ts";
import { createPipe, type OwnedFd, readPipe, writePipe } from "../../../../core/os/index.ts";
import {
  FrontendRequest,
  MigrationPhase,
  TransferDirection,
} from "../../../../core/protocol/index.ts";
import type { CheckContext } from "./context.ts";
import { CaseFailure } from "../../../engine/index.ts";
import { within } from "../../targets/within.ts";
import { type Received } from "../../../wire/index.ts";
import { expectReply, nameOf, type Session } from "./session.ts";

const { CheckDeviceState, SetDeviceStateFd } = FrontendRequest;
/** Longest state that is read, in bytes. */
const MAX_STATE_BYTES = 256 << 20;

/** A target's answer to SET_DEVICE_STATE_FD. */
export interface Opened {
  /** The value of the reply: bits 0-7 are an error, bit 8 means that no descriptor was sent. */
  readonly value: bigint;
  readonly error: number;
  /** Descriptors, owned by the session. */
  readonly fds: readonly OwnedFd[];
}

/**
 * Sends SET_DEVICE_STATE_FD and returns the reply or how the connection ended.
 *
 * @param fds borrowed
 * @throws {CaseFailure} neither its reply nor the end of the connection
 */
export async function openState(
  session: Session,
  direction: number,
  fds: readonly OwnedFd[],
  phase: number = MigrationPhase.Stopped,
): Promise<Opened | "closed"> {
  await session.send(SetDeviceStateFd, { direction, phase }, { fds });
  const next = await session.answerOrEnd(nameOf(SetDeviceStateFd));
  if (next === "closed") return next;
  const value = valueOf(SetDeviceStateFd, next);
  return { value, error: Number(value & 0xffn), fds: next.fds };
}

/**
 * Sends CHECK_DEVICE_STATE: 0 is a success. A target may answer once it has processed the state.
 *
 * @throws {CaseFailure} neither its reply nor the end of the connection
 */
export async function checkState(t: CheckContext, session: Session): Promise<bigint | "closed"> {
  await session.send(CheckDeviceState);
  const next = await session.answerOrEnd(nameOf(CheckDeviceState), t.times.againMs);
  return next === "closed" ? next : valueOf(CheckDeviceState, next);
}

function valueOf(request: number, { header, payload }: Received): bigint {
  const name = nameOf(request);
  expectReply(name, request, header);
  if (payload.length === 8) return Buffer.from(payload).readBigUInt64LE(0);
  throw new CaseFailure(`${name}: size of the reply`, {
    expected: "8 bytes",
    actual: counted(payload.length, "byte"),
  });
}

/**
 * Begins a transfer that must be accepted: over the check's pipe, or over the target's descriptor.
 *
 * @throws {CaseFailure} it is refused, or the reply contradicts itself
 */
export async function beginState(
  t: CheckContext,
  session: Session,
  direction: number,
): Promise<StateEnd> {
  const name = nameOf(SetDeviceStateFd);
  const { read, write } = createPipe();
  const [ours, theirs] = direction === TransferDirection.Save ? [read, write] : [write, read];
  t.closing(ours);
  const opened = await openState(session, direction, [theirs]).finally(() => theirs.close());
  if (opened === "closed") return t.fail(name, "a reply", "the end of the connection");
  const { value, error, fds } = opened;
  t.expect(`${name}: error`, error, 0);
  t.expect(`${name}: descriptors that came`, fds.length, (value & 0x100n) === 0n ? 1 : 0);
  const [preferred] = fds;
  if (preferred !== undefined) ours.close();
  return t.closing(new StateEnd(preferred?.duplicate() ?? ours, value, t.times.againMs));
}

/** The front-end's end of a transfer. A transfer that exceeds its time is ended. */
export class StateEnd {
  /** The reply that began it. */
  readonly reply: bigint;
  readonly #fd: OwnedFd;
  readonly #timeoutMs: number;
  readonly #ending = new AbortController();

  /** @param fd taken over */
  constructor(fd: OwnedFd, reply: bigint, timeoutMs: number) {
    this.#fd = fd;
    this.reply = reply;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Reads the state that the target saves, up to EOF.
   *
   * @throws {CaseFailure} EOF was not reached
   */
  async read(): Promise<Buffer> {
    const chunks: Uint8Array[] = [];
    let length = 0;
    const timer = setTimeout(() => this.close(), this.#timeoutMs);
    try {
      for await (const chunk of readPipe(this.#fd, this.#ending.signal)) {
        length += chunk.length;
        if (length > MAX_STATE_BYTES) this.close();
        chunks.push(chunk);
      }
      return Buffer.concat(chunks);
    } catch (error) {
      const problem = this.#ending.signal.aborted ? "no end" : String(error);
      throw new CaseFailure("the device state", {
        expected: `an end within ${this.#timeoutMs} ms and ${MAX_STATE_BYTES} bytes`,
        actual: `${counted(length, "byte")}, then ${problem}`,
      });
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Sends the state to the target, then closes the descriptor. A target that does not read all of
   * it is not an error.
   */
  async write(state: Uint8Array): Promise<void> {
    const work = async (): Promise<void> => writePipe(this.#fd, [state], this.#ending.signal);
    await within(work(), this.#timeoutMs);
    this.close();
  }

  /** Releases everything that this object owns. Idempotent. */
  close(): void {
    this.#ending.abort();
    this.#fd.close();
  }
}
