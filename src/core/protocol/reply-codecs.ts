import type { Codec } from "./codec.ts";
import type { RequestSpec } from "./table/spec.ts";

/**
 * The forms in which a reply to this request may come, likeliest first. Which of them applies
 * depends on the session's state; a lone message shows it by its size. An open body comes first:
 * eight bytes that mean nothing must not be read as an acknowledgement.
 */
export function replyCodecs(spec: RequestSpec): Codec<unknown>[] {
  const { codec, special } = spec.reply;
  if (!special) return [codec];
  return special.when === "log-shmfd" ? [special.codec, codec] : [codec, special.codec];
}
