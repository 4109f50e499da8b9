import { counted } from "../../base/index.ts";
import { FrontendRequest } from "../../protocol/index.ts";
import type { DeviceName } from "../../protocol/index.ts";
import type { CheckContext } from "../context.ts";
import { type Attempt, nameOf, type Session } from "./session.ts";

const { GetConfig, SetConfig } = FrontendRequest;
/** Of the message's own fields. */
const HEAD_BYTES = 12;

/** Bytes that every device of a type has: VIRTIO 5.1.4, 5.2.4, 5.11.4. */
const SIZES: Partial<Record<DeviceName, number>> = { net: 12, block: 32, fs: 40 };

/** Fields that cannot change while a device runs, by where they begin. */
const FIELDS: Partial<Record<DeviceName, readonly number[]>> = {
  net: [0, 6],
  block: [0, 8, 12, 16, 20, 24],
  fs: [0, 36],
};

/** What came for a GET_CONFIG. */
export interface ConfigAnswer {
  readonly offset: number;
  readonly size: number;
  /** Bytes behind offset, size and flags. */
  readonly data: Uint8Array;
  /** Bytes of the whole payload. */
  readonly length: number;
}

/** What is known of the device's configuration space. @throws {CheckSkip} nothing */
export function configShape(t: CheckContext): { size: number; fields: readonly number[] } {
  const { device } = t.facts;
  const size = device && SIZES[device];
  const fields = device && FIELDS[device];
  if (size === undefined || fields === undefined)
    t.skip(`the configuration space of ${device ?? "this device"} is not known`);
  return { size, fields };
}

/** GET_CONFIG, whatever comes of it. @param payload in place of zeroes */
export async function askConfig(
  session: Session,
  offset: number,
  size: number,
  payload: Uint8Array = new Uint8Array(size),
): Promise<ConfigAnswer | "closed"> {
  const bytes = Buffer.alloc(HEAD_BYTES + payload.length);
  bytes.writeUInt32LE(offset, 0);
  bytes.writeUInt32LE(size, 4);
  bytes.set(payload, HEAD_BYTES);
  await session.send(GetConfig, bytes);
  const next = await session.answerOrEnd(
    `${nameOf(GetConfig)} of ${counted(size, "byte")} from ${offset}`,
  );
  if (next === "closed") return next;
  const got = Buffer.from(next.payload);
  const whole = got.length >= HEAD_BYTES;
  return {
    offset: whole ? got.readUInt32LE(0) : 0,
    size: whole ? got.readUInt32LE(4) : 0,
    data: got.subarray(HEAD_BYTES),
    length: got.length,
  };
}

/** A part of the configuration space. @throws {CheckFailure} */
export async function readConfig(
  t: CheckContext,
  session: Session,
  offset: number,
  size: number,
): Promise<Uint8Array> {
  const answer = await askConfig(session, offset, size);
  if (answer === "closed")
    return t.fail("GET_CONFIG", counted(size, "byte"), "the end of the connection");
  t.expect(`bytes from ${offset} on`, answer.data.length, size);
  return answer.data;
}

/** SET_CONFIG by the driver. */
export async function writeConfig(
  session: Session,
  offset: number,
  data: Uint8Array,
): Promise<Attempt> {
  return session.attempt(SetConfig, { offset, flags: 0, data });
}
