import { encodeHeader, HEADER_SIZE, type Direction } from "../../core/protocol/index.ts";
import {
  type ActionEvent,
  isRingEvent,
  type MessageEvent,
  type RingEvent,
  type TraceConsumer,
  type TraceDescriptor,
  type TracedSession,
  type TraceEvent,
} from "../trace/index.ts";
import {
  enhancedPacket,
  interfaceDescription,
  interfaceStatistics,
  type PcapngInterface,
  sectionHeader,
} from "./blocks.ts";
import {
  encodePseudoHeader,
  ItemType,
  PacketKind,
  type PseudoHeader,
  type PseudoItem,
} from "./pseudo-header.ts";

/** LINKTYPE_USER0, for private use. */
const USER0 = 147;
const APPLICATION = "vhost-user";

/** The two ends of the relay, on both sockets of a session. */
const LEGS: readonly (PcapngInterface & {
  readonly side: Direction;
  readonly channel: Direction;
})[] = (["front-end", "back-end"] as const).flatMap((channel) =>
  (["front-end", "back-end"] as const).map((side) => ({
    linkType: USER0,
    side,
    channel,
    name: channel === "front-end" ? side : `${side} (back-end channel)`,
    description: `${channel === "front-end" ? "main socket" : "back-end channel"}, to the ${side}`,
  })),
);

/** The options for writing a trace as pcapng. */
export interface PcapngOptions {
  /** Takes the bytes of one block, or of several. Returns false if they were dropped. */
  readonly write: (block: Uint8Array) => boolean | void;
  /** Milliseconds since 1970 when the trace began. Default: now, less the time of the first event. */
  readonly startedMs?: number | undefined;
}

/**
 * Writes the events of a trace as pcapng, for Wireshark with the dissector of this package.
 *
 * A message is a packet of the interface on which it came; what an interceptor made of it is one of the
 * interface on which it left, with the same packet id.
 *
 * @example
 * ```ts
 * import { appendFileSync, readFileSync } from "node:fs";
 * import { PcapngWriter, TraceReader } from "vhost-user/testing";
 *
 * const capture = '{"us":12,"from":"front-end","descriptors":[],"hex":"010000000100000000000000"}\n';
 * const writer = new PcapngWriter({ write: (block) => appendFileSync("session.pcapng", block) });
 * for (const { event, state } of new TraceReader().read(capture)) writer.event(event, state);
 * writer.end();
 * console.log(readFileSync("session.pcapng").length);
 * ```
 */
export class PcapngWriter implements TraceConsumer {
  readonly #options: PcapngOptions;
  readonly #received: number[] = LEGS.map(() => 0);
  readonly #dropped: number[] = LEGS.map(() => 0);
  #start: bigint | undefined;
  #last = 0n;

  constructor(options: PcapngOptions) {
    this.#options = options;
    options.write(
      Buffer.concat([sectionHeader(APPLICATION), ...LEGS.map((leg) => interfaceDescription(leg))]),
    );
  }

  /** Packets that were dropped. */
  get lost(): number {
    return this.#dropped.reduce((sum, count) => sum + count, 0);
  }

  event(event: TraceEvent, state: TracedSession): void {
    const { startedMs = Date.now() - event.us / 1000 } = this.#options;
    this.#start ??= BigInt(Math.round(startedMs * 1000)) * 1000n;
    this.#last = nanoseconds(event.us);
    const common = {
      device: state.device?.id ?? 0,
      session: event.session,
      elapsed: this.#last,
    };
    if (event.type === "message") return this.#message(event, common);
    if (isRingEvent(event)) return;
    const { kind, from, channel, number, waited, items } = described(event);
    this.#write(
      { ...common, kind, from, channel, number, waited, items, answers: 0, isReply: false },
      event.type === "action" ? sentBytes(event) : undefined,
    );
  }

  /** Writes the counts of each interface. */
  end(): void {
    const time = this.#time();
    const blocks = LEGS.map((_, at) =>
      interfaceStatistics({
        interface: at,
        time,
        received: this.#received[at] ?? 0,
        dropped: this.#dropped[at] ?? 0,
      }),
    );
    this.#options.write(Buffer.concat(blocks));
  }

  #message(event: MessageEvent, common: Common): void {
    const { from, channel, isReply, number, answers, text, descriptors, violations } = event;
    const items: PseudoItem[] = [
      [ItemType.Text, text],
      ...violations.map(({ rule, section }): PseudoItem => [ItemType.Violation, rule, section]),
      ...descriptors.map(descriptorItem),
    ];
    const header = {
      ...common,
      kind: PacketKind.Message,
      from,
      channel,
      isReply,
      isAcknowledgement: isReply && event.fields?.["ack"] !== undefined,
      number,
      answers: answers?.to ?? 0,
      waited: nanoseconds(answers?.us ?? 0),
      items,
    };
    this.#write(header, messageBytesOf(event));
  }

  /** @param message header and payload, if the packet has any */
  #write(header: PseudoHeader, message: Uint8Array | undefined): void {
    // What arrives does so on the leg of its sender; what an interceptor sent leaves on the other one.
    const isOut = header.kind === PacketKind.Action;
    const other = header.from === "front-end" ? "back-end" : "front-end";
    const side = isOut ? other : (header.from ?? "front-end");
    const leg = LEGS.findIndex((each) => each.side === side && each.channel === header.channel);
    const block = enhancedPacket({
      interface: leg,
      time: this.#time(),
      data: Buffer.concat([encodePseudoHeader(header), message ?? Buffer.alloc(0)]),
      direction: isOut ? "out" : "in",
      packetId: (BigInt(header.session >>> 0) << 32n) | BigInt(header.number >>> 0),
    });
    const counts = this.#options.write(block) === false ? this.#dropped : this.#received;
    counts[leg] = (counts[leg] ?? 0) + 1;
  }

  #time(): bigint {
    return (this.#start ?? 0n) + this.#last;
  }
}

type Common = Pick<PseudoHeader, "device" | "session" | "elapsed">;
type Described = Pick<PseudoHeader, "kind" | "from" | "channel" | "number" | "waited" | "items">;

function described(event: Exclude<TraceEvent, MessageEvent | RingEvent>): Described {
  const main = { channel: "front-end", number: 0, waited: 0n } as const;
  switch (event.type) {
    case "opened": {
      const peers = [event.frontEnd, event.backEnd].map(
        ({ pid, program }) => `${program ?? "unknown"}${pid === undefined ? "" : ` (pid ${pid})`}`,
      );
      const note = `opened: front-end ${peers[0]}, back-end ${peers[1]}`;
      return { ...main, kind: PacketKind.Opened, from: undefined, items: [[ItemType.Note, note]] };
    }
    case "waiting": {
      const note = `late: ${event.by} has not answered message ${event.number}, ${event.request}`;
      return {
        ...main,
        kind: PacketKind.Waiting,
        from: event.by,
        channel: event.by === "front-end" ? "back-end" : "front-end",
        number: event.number,
        waited: nanoseconds(event.waitedUs),
        items: [[ItemType.Note, note]],
      };
    }
    case "action": {
      const { from, channel = "front-end", number, action } = event;
      const items: PseudoItem[] = [[ItemType.Action, action]];
      return { ...main, kind: PacketKind.Action, from, channel, number, items };
    }
    case "channel-closed":
    case "closed": {
      const { by, how, reason, type } = event;
      const isSession = type === "closed";
      const name = isSession ? "session" : "back-end channel";
      const note = `${name} ${how}${by === undefined ? "" : ` by the ${by}`}: ${reason}`;
      const unanswered = isSession ? event.unanswered : [];
      return {
        ...main,
        kind: isSession ? PacketKind.Closed : PacketKind.ChannelClosed,
        from: by,
        channel: isSession ? "front-end" : "back-end",
        items: [
          [ItemType.Note, note],
          [ItemType.Ending, how],
          ...unanswered.map((each): PseudoItem => [
            ItemType.Violation,
            `${each.by} never answered message ${each.number}, ${each.request}`,
            "Communication",
          ]),
        ],
      };
    }
  }
}

function descriptorItem({ name, role = "", object }: TraceDescriptor): PseudoItem {
  const { kind, id = "", bytes, name: label = "" } = object;
  return [ItemType.Descriptor, name, role, kind, id, String(bytes ?? ""), label];
}

function messageBytesOf({ header, payload }: Pick<MessageEvent, "header" | "payload">): Uint8Array {
  const bytes = new Uint8Array(HEADER_SIZE + payload.length);
  encodeHeader(header, bytes);
  bytes.set(payload, HEADER_SIZE);
  return bytes;
}

function sentBytes({ sent }: ActionEvent): Uint8Array | undefined {
  return sent && messageBytesOf(sent);
}

function nanoseconds(us: number): bigint {
  // The lines of a capture need not be in order.
  return BigInt(Math.round(Math.max(0, us) * 1000));
}
