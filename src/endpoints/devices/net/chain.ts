import { type ChainBytes, type ChainWords, numberAt } from "../../../core/protocol/index.ts";
import { describeFrame } from "../../netstack/describe-frame.ts";
import { ControlClass } from "./control.ts";
import { netHeaderBytes, NUM_BUFFERS_OFFSET, MAX_FRAME_BYTES } from "./layout.ts";

/** Bytes of a frame that are looked at: Ethernet, VLAN, IP and UDP headers. */
const LOOKED_AT = 96;
const CLASSES: Readonly<Record<number, string>> = {
  [ControlClass.Receive]: "RX",
  [ControlClass.Mac]: "MAC",
  2: "VLAN",
  3: "ANNOUNCE",
  [ControlClass.QueuePairs]: "MQ",
  5: "GUEST_OFFLOADS",
  6: "NOTF_COAL",
};

/** A chain in words: the frame's summary, an empty receive buffer, or a command of the control queue. */
export function describeNetChain(chain: ChainBytes, ring: number, features: bigint): ChainWords {
  const header = netHeaderBytes(features);
  if (ring % 2 === 1) {
    return describe(chain.request.subarray(header), chain.readable - header);
  }
  if (chain.readable > 0) return describeCommand(chain);
  const { written } = chain;
  if (written === undefined) return { text: "receive buffer", fields: {} };
  if (written <= header) return { text: "receive buffer returned empty", fields: { written } };
  const buffers = numberAt(chain.reply(NUM_BUFFERS_OFFSET, 2), 0, 2) ?? 1;
  const words = describe(chain.reply(header, LOOKED_AT), written - header);
  if (header <= NUM_BUFFERS_OFFSET || buffers <= 1) return words;
  const text = `${words.text} or more, first of ${buffers} buffers`;
  return { text, fields: { ...words.fields, buffers } };
}

/** The part of a frame that was read, in a frame of its whole length: summaries check lengths. */
function describe(start: Uint8Array, length: number): ChainWords {
  if (length < 0) return { text: "no frame: the header is incomplete", fields: {}, failed: true };
  const frame = new Uint8Array(Math.min(length, MAX_FRAME_BYTES));
  frame.set(start.subarray(0, frame.length));
  const text = describeFrame(frame);
  return { text, fields: { frame: text, bytes: length } };
}

function describeCommand(chain: ChainBytes): ChainWords {
  const [number = 0, command = 0] = chain.request;
  const name = CLASSES[number] ?? `class ${number}`;
  const fields = { class: name, command };
  const text = `control ${name} command ${command}`;
  if (chain.written === undefined) return { text, fields };
  const [ack] = chain.reply(chain.writable - 1, 1);
  if (ack === undefined) return { text, fields };
  const status = ack === 0 ? "OK" : "ERR";
  return { text: `${text}: ${status}`, fields: { ...fields, status }, failed: ack !== 0 };
}
