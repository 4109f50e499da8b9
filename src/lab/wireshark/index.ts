/**
 * wireshark: a trace as pcapng, and the dissector with which Wireshark reads it.
 */
export { DISSECTOR_MARK, wiresharkDissector } from "./dissector/dissector.ts";
export { fieldName, structureOf } from "./dissector/structure.ts";
export type { WirePart } from "./dissector/wire-form.ts";
export { type PcapngOptions, PcapngWriter } from "./pcapng.ts";
