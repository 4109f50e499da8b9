import { counted, ProtocolError, RemoteError } from "../../../core/base/index.ts";
import { createPipe, readPipe, writePipe } from "../../../core/os/index.ts";
import { MigrationPhase, TransferDirection } from "../../../core/protocol/index.ts";
import type { OwnedFd } from "../../../core/os/index.ts";
import type { FrontendRequests } from "../requests.ts";

/** A back-end that sends more is refused, bytes. */
const MAX_STATE_BYTES = 256 << 20;

/** Error bits of the reply to SET_DEVICE_STATE_FD. */
const ERROR_BITS = 0xffn;
const NO_FD = 0x100n;

const SET = "VHOST_USER_SET_DEVICE_STATE_FD";
const CHECK = "VHOST_USER_CHECK_DEVICE_STATE";

/**
 * Reads the device's own state from a back-end whose rings are stopped (specification: "Migrating
 * back-end state").
 *
 * @param maxBytes default 256 MiB
 * @throws {RemoteError} the back-end failed
 * @throws {ProtocolError} it sent more than that, or broke the protocol
 * @throws {PeerClosedError | TimeoutError}
 */
export async function saveDeviceState(
  requests: FrontendRequests,
  maxBytes = MAX_STATE_BYTES,
): Promise<Uint8Array> {
  const { read, write } = createPipe();
  const ours = await agree(requests, TransferDirection.Save, read, write);
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of readPipe(ours)) {
    length += chunk.length;
    if (length > maxBytes) {
      throw new ProtocolError(
        `device state: the back-end sent more than ${counted(maxBytes, "byte")}, which is the limit`,
      );
    }
    chunks.push(chunk);
  }
  await check(requests);
  return Buffer.concat(chunks);
}

/**
 * Loads a device state into a back-end whose rings are stopped.
 *
 * @throws {RemoteError} the back-end failed to load the state
 * @throws {PeerClosedError | TimeoutError | ProtocolError}
 */
export async function loadDeviceState(
  requests: FrontendRequests,
  state: Uint8Array,
): Promise<void> {
  const { read, write } = createPipe();
  const ours = await agree(requests, TransferDirection.Load, write, read);
  // A back-end that fails closes its end early; CHECK_DEVICE_STATE returns its verdict.
  await writePipe(ours, [state]).catch(() => undefined);
  await check(requests);
}

/** Returns the descriptor to use: ours, or the one that the back-end prefers. */
async function agree(
  requests: FrontendRequests,
  direction: number,
  ours: OwnedFd,
  theirs: OwnedFd,
): Promise<OwnedFd> {
  try {
    const params = { direction, phase: MigrationPhase.Stopped };
    const { value, fd } = await requests.setDeviceStateFd(params, theirs);
    if ((value & ERROR_BITS) !== 0n || ((value & NO_FD) === 0n) !== (fd !== undefined)) {
      fd?.close();
      const what = (value & ERROR_BITS) === 0n ? "a descriptor that does not fit" : "an error";
      throw new RemoteError(SET, `${SET}: the back-end answered with ${what}: ${value}`, value);
    }
    if (fd === undefined) return ours;
    ours.close();
    return fd;
  } catch (error) {
    ours.close();
    throw error;
  } finally {
    theirs.close();
  }
}

async function check(requests: FrontendRequests): Promise<void> {
  const result = await requests.checkDeviceState();
  if (result === 0n) return;
  throw new RemoteError(
    CHECK,
    `${CHECK}: the back-end could not save or load its state: ${result}`,
    result,
  );
}
