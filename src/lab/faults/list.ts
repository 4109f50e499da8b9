import type { Fault } from "./fault.ts";
import { answerFaults } from "./answers.ts";
import { backendChannelFaults } from "./backend-channel.ts";
import { deliveryFaults } from "./delivery.ts";
import { descriptorFaults } from "./descriptors.ts";
import { deviceFaults } from "./devices.ts";
import { headerFaults } from "./headers.ts";
import { logFaults } from "./log.ts";
import { payloadFaults } from "./payloads.ts";
import { queueFaults } from "./queues.ts";

/** Everything that can be made wrong, by subject. */
export const faults: readonly Fault[] = [
  ...headerFaults,
  ...payloadFaults,
  ...deliveryFaults,
  ...descriptorFaults,
  ...answerFaults,
  ...logFaults,
  ...backendChannelFaults,
  ...queueFaults,
  ...deviceFaults,
];
