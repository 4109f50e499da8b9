/**
 * transport: messages (bytes and descriptors) over a stream, whatever they mean. Imports protocol
 * (the header) and os.
 */
export * from "./channel.ts";
export * from "./framer.ts";
export * from "./unix-channel.ts";
export * from "./connect.ts";
export * from "./listen.ts";
