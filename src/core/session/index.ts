/**
 * session: one request engine for both directions. A front-end calls on the main socket and answers
 * on the back-end channel; a back-end the other way round. Imports transport.
 */
export * from "./answerer.ts";
export * from "./caller.ts";
export * from "./requirements.ts";
export * from "./state.ts";
