/**
 * frontend: the client. Brings a session up, shares memory, starts and stops queues. Imports
 * session, virtqueue and runtime; never backend.
 */
export * from "./client.ts";
export * from "./queue.ts";
export * from "./requests.ts";
