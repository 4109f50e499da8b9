/** Bytes of the header that precedes every payload. */
export const HEADER_SIZE = 12;

/**
 * The fixed part of every message, on the main socket and on the back-end channel alike
 * (specification: "Header").
 *
 * | offset | size | name    |
 * | ------ | ---- | ------- |
 * | 0      | 4    | request |
 * | 4      | 4    | flags   |
 * | 8      | 4    | size of the payload, this header excluded |
 */
export interface Header {
  readonly request: number;
  readonly flags: number;
  readonly size: number;
}

/** Bits of {@link Header.flags}. Bits 4 to 31 are reserved and sent as zero. */
export const HeaderFlag = {
  /** The only version of the protocol, in the two bits of `VersionMask`. */
  Version: 1,
  VersionMask: 3,
  /** Set on every reply, never on a request. */
  Reply: 4,
  /** The sender asks for an acknowledgement (VHOST_USER_PROTOCOL_F_REPLY_ACK). */
  NeedReply: 8,
} as const;

const MAX_U32 = 0xffff_ffff;

/**
 * Writes the 12 bytes at `offset`. It accepts any header that fits, as hostile tests send invalid
 * ones.
 *
 * @throws RangeError when a field is not an unsigned 32-bit number or the target is too short
 */
export function encodeHeader(header: Header, target: Uint8Array, offset = 0): void {
  for (const field of ["request", "flags", "size"] as const) {
    const value = header[field];
    if (!Number.isInteger(value) || value < 0 || value > MAX_U32) {
      throw new RangeError(`header ${field} must be an unsigned 32-bit number, not ${value}`);
    }
  }
  const view = viewAt(target, offset);
  view.setUint32(0, header.request, true);
  view.setUint32(4, header.flags, true);
  view.setUint32(8, header.size, true);
}

/**
 * Reads the 12 bytes at `offset`. It accepts any bytes; `validateMessage` and the session check the
 * contents.
 *
 * @throws RangeError if there are fewer than 12 bytes: the transport is responsible for framing
 */
export function decodeHeader(bytes: Uint8Array, offset = 0): Header {
  const view = viewAt(bytes, offset);
  return {
    request: view.getUint32(0, true),
    flags: view.getUint32(4, true),
    size: view.getUint32(8, true),
  };
}

function viewAt(bytes: Uint8Array, offset: number): DataView {
  if (!Number.isInteger(offset) || offset < 0 || bytes.byteLength - offset < HEADER_SIZE) {
    throw new RangeError(
      `a header needs ${HEADER_SIZE} bytes, ${bytes.byteLength} given with offset ${offset}`,
    );
  }
  return new DataView(bytes.buffer, bytes.byteOffset + offset, HEADER_SIZE);
}
