import { counted } from "../../../../core/base/index.ts";
import { type Config, FrontendRequest } from "../../../../core/protocol/index.ts";
import type { CheckContext } from "./context.ts";
import { type Attempt, nameOf, type Session } from "./session.ts";

const { GetConfig, SetConfig } = FrontendRequest;
/** Bytes of the fields in front of the data. */
const HEAD_BYTES = 12;

/** The reply to a GET_CONFIG. */
export interface ConfigAnswer {
  readonly offset: number;
  readonly size: number;
  /** The bytes after offset, size and flags. */
  readonly data: Uint8Array;
  /** Length of the whole payload in bytes. */
  readonly length: number;
}

/**
 * Returns the size of the device's configuration space and the offsets of its fields.
 *
 * @throws {CaseSkip} the kit does not describe the space
 */
export async function configShape(
  t: CheckContext,
  session: Session,
): Promise<{ size: number; fields: readonly number[] }> {
  const { kit, device } = t.facts;
  if (kit?.config === undefined)
    return t.skip(`the configuration space of ${device?.name ?? "this device"} is not known`);
  const { sizes, fields } = kit.config;
  const [largest = 0] = sizes;
  const size = (await largestConfig(session, sizes))?.length ?? largest;
  return { size, fields: fields.filter((offset) => offset < size) };
}

/** Reads the configuration space from its start, in the first of these sizes that is not refused. */
export async function largestConfig(
  session: Session,
  sizes: readonly number[],
): Promise<Uint8Array | undefined> {
  for (const size of sizes) {
    const asked: Config = { offset: 0, flags: 0, data: new Uint8Array(size) };
    const config = await session.call(GetConfig, asked);
    if (config !== undefined && config.data.length > 0) return config.data;
  }
  return undefined;
}

/**
 * Sends GET_CONFIG and returns the reply, or how the target reacted.
 *
 * @param payload default: zeroes
 */
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

/**
 * Reads a part of the configuration space.
 *
 * @throws {CaseFailure}
 */
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

/** Sends a SET_CONFIG of the driver. */
export async function writeConfig(
  session: Session,
  offset: number,
  data: Uint8Array,
): Promise<Attempt> {
  return session.attempt(SetConfig, { offset, flags: 0, data });
}
