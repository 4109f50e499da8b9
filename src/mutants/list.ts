import type { Fault } from "./fault.ts";
import { answerFaults } from "./faults/answers.ts";
import { backendChannelFaults } from "./faults/backend-channel.ts";
import { deliveryFaults } from "./faults/delivery.ts";
import { descriptorFaults } from "./faults/descriptors.ts";
import { deviceFaults } from "./faults/devices.ts";
import { headerFaults } from "./faults/headers.ts";
import { logFaults } from "./faults/log.ts";
import { payloadFaults } from "./faults/payloads.ts";
import { queueFaults } from "./faults/queues.ts";

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
