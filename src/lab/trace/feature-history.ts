import {
  type Codec,
  protocolFeatureNames,
  virtioFeatureNames,
  virtioFeatures,
} from "../../core/protocol/index.ts";
import type { DeviceKind } from "../../endpoints/devices/kind.ts";
import type { FeatureNames } from "./event.ts";

interface Seen {
  readonly word: bigint;
  readonly device: DeviceKind | undefined;
}

/** Remembers the feature words of a session, so that later ones can be printed as changes. */
export class FeatureHistory {
  /** The words seen, by codec and request, and the newest offer by codec alone. */
  readonly #seen = new Map<string, Seen>();

  /**
   * Names the bits of a word, and compares it with the last one of the same request, or with the offer.
   *
   * @param isReply offers are replies, acknowledgements are requests
   */
  note(
    codec: Codec<unknown>,
    message: { readonly request: number; readonly isReply: boolean },
    word: bigint,
    device: DeviceKind | undefined,
  ): FeatureNames {
    const [own, offer] = [`${codec.name} ${message.request}`, codec.name];
    const before = this.#seen.get(own) ?? this.#seen.get(offer);
    this.#seen.set(own, { word, device });
    if (message.isReply) this.#seen.set(offer, { word, device });
    const names = namesOf(codec, word, device);
    // Once the device type is known, its bits have names that were not shown before.
    if (before === undefined || before.device !== device) return { names };
    return {
      names,
      added: namesOf(codec, word & ~before.word, device),
      removed: namesOf(codec, before.word & ~word, device),
    };
  }
}

function namesOf(codec: Codec<unknown>, word: bigint, device: DeviceKind | undefined): string[] {
  return codec === virtioFeatures ? virtioFeatureNames(word, device) : protocolFeatureNames(word);
}

/** A word of features in words: all names, or those that changed. */
export function describeFeatures(word: string, { names, added, removed }: FeatureNames): string {
  if (added === undefined || removed === undefined) {
    return `${word} [${names.map(shortFeature).join(" ")}]`;
  }
  const changes = [
    ...added.map((name) => `+${shortFeature(name)}`),
    ...removed.map((name) => `-${shortFeature(name)}`),
  ];
  return `${word} ${changes.length === 0 ? "unchanged" : changes.join(" ")}`;
}

/** `EVENT_IDX` of `VIRTIO_RING_F_EVENT_IDX`. */
export function shortFeature(name: string): string {
  return name.replace(/^[A-Z0-9_]*?_F_/, "").replaceAll(" ", "-");
}
