/**
 * `vhost-user/testing`: what tests of front-ends and back-ends are made of.
 *
 * - wire: {@link Interceptor}, {@link Relay}, {@link Capture}, {@link RawFrontend},
 *   {@link RawBackend}, {@link RawSplitRing}, {@link RawPackedRing} see, change and break what passes;
 * - faults: back-ends with one broken rule each;
 * - workloads: verified and measured passes over a device;
 * - probe: which role, device and features a socket's program has.
 */
export * from "./faults/index.ts";
export * from "./kits/block/workloads/index.ts";
export * from "./kits/net/workloads/index.ts";
export * from "./probe/index.ts";
export * from "./wire/index.ts";
export * from "./workloads/index.ts";
