import type { TestGroup } from "../group.ts";
import { conversationCases } from "./conversations.ts";
import { enumerationCases } from "./enumerations.ts";
import { errorCases } from "./errors.ts";
import { structureCases } from "./structures.ts";

/** Needs nothing but this package. */
export const basicGroup: TestGroup = {
  name: "basic",
  title: "vhost-user basic tests",
  cases: [...structureCases, ...enumerationCases, ...conversationCases, ...errorCases],
};
