import { counted } from "../../../core/base/index.ts";
import type { TestContext } from "../context.ts";
import { expectEqual, expectThat } from "../expect.ts";
import type { TestCase, TestGroup } from "../group.ts";
import { StressChild } from "./child.ts";
import { DESCRIPTORS_PER_SESSION, expectAll, expectDescriptors, Fleet } from "./fleet.ts";
import { slope } from "./growth.ts";
import { CLIENT_SHARE, type Usage } from "./messages.ts";

const STORM = 1000;
const DEATHS = 16;
/** Rounds that are not counted at all: code is compiled, and the heaps find their size. */
const UNCOUNTED_ROUNDS = 2;
/** Counted rounds in which memory may still settle. */
const WARM_UP_ROUNDS = 2;
/** Growth of resident memory that counts as none, over all rounds after the warm-up. */
const NO_SLOPE = 0.01;

const concurrentCase: TestCase = {
  title: "Concurrent clients all do verified I/O",
  run: async (context) => {
    expectDescriptors(context.options.clients);
    const { clients } = context.options;
    const fleet = await Fleet.start(context, clients);
    const idle = await fleet.idleUsage();
    const idleClient = await fleet.clientUsage();
    const start = performance.now();
    expectAll(await fleet.open(), clients, "clients connected");
    const opened = performance.now();
    const peak = await fleet.backendUsage();
    expectEqual("sessions at once", peak.sessions, clients);
    const peakClient = await fleet.clientUsage();
    context.note(
      `${counted(clients, "client")} in ${counted(fleet.clients.length, "process", "processes")} connected in ${(opened - start).toFixed(0)} ms`,
    );
    expectFewDescriptors(context, "back-end", idle, peak);
    expectFewDescriptors(context, "client process", idleClient, peakClient);
    const before = performance.now();
    expectAll(await fleet.io(), clients, "clients with verified I/O");
    context.note(
      `each wrote and read back its data, in ${(performance.now() - before).toFixed(0)} ms`,
    );
    expectAll(await fleet.close(), clients, "clients closed");
    const after = await fleet.idleUsage(idle.descriptors);
    expectEqual("descriptors afterwards", after.descriptors, idle.descriptors);
  },
};

function expectFewDescriptors(context: TestContext, who: string, idle: Usage, peak: Usage): void {
  const perSession = (peak.descriptors - idle.descriptors) / (peak.sessions - idle.sessions);
  context.note(
    `peak of the ${who}: ${counted(peak.descriptors, "descriptor")}, ${perSession.toFixed(2)} for each of ${counted(peak.sessions, "session")}`,
  );
  expectThat(
    perSession <= DESCRIPTORS_PER_SESSION,
    `at most ${DESCRIPTORS_PER_SESSION} descriptors a session in the ${who}`,
  );
}

const roundsCase: TestCase = {
  title: "Nothing grows, round after round",
  run: async (context) => {
    expectDescriptors(context.options.clients);
    const { clients, rounds } = context.options;
    const fleet = await Fleet.start(context, clients, true);
    const backend: Usage[] = [];
    const client: Usage[] = [];
    for (let round = 1; round <= UNCOUNTED_ROUNDS + rounds; round += 1) {
      expectAll(await fleet.open(), clients, `round ${round}: clients connected`);
      expectAll(await fleet.io(), clients, `round ${round}: clients with verified I/O`);
      expectAll(await fleet.close(), clients, `round ${round}: clients closed`);
      // Measured from the first round on: measuring, too, has to be compiled.
      const [one, other] = [await fleet.idleUsage(), await fleet.clientUsage()];
      if (round <= UNCOUNTED_ROUNDS) continue;
      backend.push(one);
      client.push(other);
    }
    expectFlat(context, "back-end", backend);
    expectFlat(context, "client process", client);
  },
};

function expectFlat(context: TestContext, who: string, rounds: readonly Usage[]): void {
  const settled = rounds.slice(WARM_UP_ROUNDS);
  for (const field of ["descriptors", "mappings"] as const) {
    expectEqual(
      `${field} of the ${who}, distinct values`,
      new Set(settled.map((usage) => usage[field])).size,
      1,
    );
  }
  const resident = settled.map((usage) => usage.residentBytes);
  const growth = slope(resident) / (resident[0] ?? 1);
  const mib = (bytes: number | undefined): string => `${((bytes ?? 0) / (1 << 20)).toFixed(1)} MiB`;
  context.note(
    `${who}: ${settled[0]?.descriptors} descriptors and ${settled[0]?.mappings} shared mappings in each round; ` +
      `resident ${mib(resident[0])} to ${mib(resident.at(-1))}, slope ${(growth * 100).toFixed(2)} %`,
  );
  expectThat(
    growth <= NO_SLOPE,
    `resident memory of the ${who} not to grow, its slope is ${(growth * 100).toFixed(2)} %`,
  );
}

const stormCase: TestCase = {
  title: "Connection storm is survived",
  run: async (context) => {
    const fleet = await Fleet.start(context, 4);
    const before = await fleet.idleUsage();
    const start = performance.now();
    expectAll(await fleet.storm(STORM), STORM, "connections");
    context.note(
      `${STORM} connections without a word in ${(performance.now() - start).toFixed(0)} ms`,
    );
    expectEqual(
      "descriptors afterwards",
      (await fleet.idleUsage(before.descriptors)).descriptors,
      before.descriptors,
    );
    await expectServed(fleet);
  },
};

/** @param die sends a client to its death */
function deathCase(
  title: string,
  die: (client: StressChild, path: string, i: number) => void,
): TestCase {
  return {
    title,
    run: async (context) => {
      const fleet = await Fleet.start(context, 1);
      const before = await fleet.idleUsage();
      for (let i = 0; i < DEATHS; i += 1) {
        const victim = new StressChild("client-process.js");
        context.defer(async () => victim.stop());
        die(victim, fleet.path, i);
        await victim.exited;
        context.signal.throwIfAborted();
      }
      const after = await fleet.idleUsage(before.descriptors);
      expectEqual("descriptors afterwards", after.descriptors, before.descriptors);
      expectEqual("shared mappings afterwards", after.mappings, before.mappings);
      context.note(`${DEATHS} clients killed; descriptors and mappings of the back-end as before`);
      await expectServed(fleet);
    },
  };
}

/** One more client of each process, with verified I/O. */
async function expectServed(fleet: Fleet): Promise<void> {
  const count = (await fleet.open()).done;
  expectAll(await fleet.io(), count, "clients served afterwards");
  expectThat(count > 0, "clients to be served afterwards");
  await fleet.close();
}

/** Many clients, and bad ones. */
export const stressGroup: TestGroup = {
  name: "stress",
  title: "vhost-user stress tests",
  cases: [
    concurrentCase,
    roundsCase,
    stormCase,
    deathCase("Clients that die in the middle of a message do no harm", (client, path, i) =>
      client.send("dieInMessage", { path, bytes: 1 + (i % 16) }),
    ),
    deathCase("Clients that die in the middle of I/O do no harm", (client, path) =>
      client.send("dieInIo", { path, position: CLIENT_SHARE }),
    ),
  ],
};
