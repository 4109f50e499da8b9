/**
 * `vhost-user/suite`: the suite for programs, and {@link describeConformance} for test runners.
 */
export { type DescribeOptions, describeConformance, type TestRunner } from "./describe.ts";
export * from "./index.ts";
