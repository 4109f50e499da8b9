import type { FrontendCheck } from "../kit/check.ts";
import { CONNECTS } from "../kit/front-end/connection.ts";

/** The check that every other check of a front-end rests on. */
export const feConnection: readonly FrontendCheck[] = [
  {
    ...CONNECTS,
    async run(t) {
      await t.meet({}, ({ messages }) => messages.length > 0);
    },
  },
];
