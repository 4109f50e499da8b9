import {
  DEFAULT_MASKS,
  type Mask,
  meaningOf,
  type MessageEvent,
  shortName,
} from "../trace/index.ts";

/**
 * The way in which a recorded message is compared with the one that came. `strict`: by everything that is not
 * masked; `adapt`: by request, success and number of descriptors, because another program has other
 * features, sizes and addresses.
 */
export type ReplayMode = "strict" | "adapt";

/** Masks of every replay: the rings are empty, so their indices stay where they were. */
export const REPLAY_MASKS: readonly Mask[] = [...DEFAULT_MASKS, "ring-base"];

const masks = new Set(REPLAY_MASKS);

/** Describes a message in words that are the same in every run. */
export function inWords(event: MessageEvent): string {
  const reply = event.isReply ? " reply" : "";
  return `${shortName(event.request)}${reply} ${meaningOf(event, masks)}`.trim();
}

/** Returns whether a message is the one that was recorded, as far as the mode asks. */
export function isSame(recorded: MessageEvent, live: MessageEvent, mode: ReplayMode): boolean {
  if (mode === "strict") return comparable(recorded) === comparable(live);
  return (
    recorded.request === live.request &&
    recorded.isReply === live.isReply &&
    recorded.fields?.["ok"] === live.fields?.["ok"] &&
    recorded.fields?.["refused"] === live.fields?.["refused"] &&
    recorded.descriptors.length === live.descriptors.length
  );
}

/** Recorders name the kind of memory differently, and what it is for is compared besides. */
function comparable(event: MessageEvent): string {
  const descriptors = event.descriptors.map((each) => {
    const kind = /^(?:eventfd|socket|pipe)/.exec(each.object.kind)?.[0] ?? "memory";
    return { ...each, object: { kind } };
  });
  return inWords({ ...event, descriptors });
}
