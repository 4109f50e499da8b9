import type { Codec } from "./codec.ts";
import type { RequestSpec } from "./table/spec.ts";

/**
 * Returns the forms that a reply to this request may have, likeliest first. The session's state
 * decides which one applies; for a message without its session, the size does. An opaque body comes
 * first: its eight meaningless bytes must not be read as an acknowledgement.
 */
export function replyCodecs(spec: RequestSpec): Codec<unknown>[] {
  const { codec, special } = spec.reply;
  if (!special) return [codec];
  return special.when === "log-shmfd" ? [special.codec, codec] : [codec, special.codec];
}
