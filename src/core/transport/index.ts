/**
 * transport: messages, bytes plus descriptors, over a stream. Knows no message's meaning. Imports
 * protocol (the header) and os.
 */
export * from "./channel.ts";
export * from "./framer.ts";
export * from "./unix-channel.ts";
export * from "./connect.ts";
export * from "./listen.ts";
