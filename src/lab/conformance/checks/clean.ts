import type { Check } from "../kit/check.ts";
import { CLEAN_SESSION } from "../kit/back-end/clean-ground.ts";

export const clean: readonly Check[] = [
  {
    ...CLEAN_SESSION,
    async run(t) {
      const session = await t.newSession();
      if (t.hasKit) await (await t.bringUp({ session })).request();
    },
  },
];
