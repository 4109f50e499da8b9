import { type Command, Option } from "commander";
import type { Context } from "../../context.ts";
import { bareCommand, checked, forceOption, htmlOption, parseCount } from "../../options.ts";
import { parseDuration } from "../../units.ts";

/** An option that may be given several times. */
const path = (text: string, before: readonly string[] = []): string[] => [...before, text];

const CONNECTS = "the front-end, or with --front-end-listens the back-end";
const LISTENS = "the back-end, or with --front-end-listens the front-end";

export function addTraceCommand(program: Command, context: Context): void {
  const command = bareCommand("trace")
    .description("relay between a front-end and a back-end, and print their messages")
    .addOption(
      new Option(
        "--listen <path>",
        `make the socket, and wait for the other side to connect; ${CONNECTS}`,
      ).argParser(path),
    )
    .addOption(
      new Option(
        "--connect <path>",
        `connect to the socket of the other side; ${LISTENS}`,
      ).argParser(path),
    )
    .option(
      "--exec-back-end <command>",
      "start this program as the back-end; {socket} in it is the socket's path",
    )
    .option(
      "--exec-front-end <command>",
      "start this program as the front-end, and end with it; {socket} in it is the socket's path",
    )
    .option("--front-end-listens", "the front-end listens and the back-end connects")
    .addOption(
      new Option(
        "--rings [mode]",
        "follow the rings too: requests, latencies, stalls; =exact: also at each kick and call, which then pass through here",
      )
        .choices(["sampled", "exact"])
        .preset("sampled"),
    )
    .option("--filter <expression>", "print only these events; see --help-filter")
    .option("--help-filter", "print what a filter may have")
    .addOption(
      new Option("--inject <fault>", "inject a fault, REQUEST:ACTION; repeatable").argParser(path),
    )
    .option("--help-inject", "print what a fault may be")
    .addOption(
      new Option(
        "--torture [cuts]",
        "repeat the session of the two programs, cut it before each message in turn, and report what crashes, hangs or leaks",
      ).argParser(parseCount(1000)),
    )
    .option("-w, --write <file>", "write a capture, which has every event")
    .option("--pcapng <file>", "write a file for Wireshark; -: to stdout, live")
    .addOption(htmlOption)
    .addOption(forceOption)
    .addOption(
      new Option(
        "--device <type|module>",
        "device type of the target; or a module whose default export is a kit; default: inferred from its offer",
      ),
    )
    .addOption(
      new Option("--late <duration>", "report a reply, or a ring's chains, that take longer")
        .default(1000, "1s")
        .argParser(checked(parseDuration)),
    )
    .option("--json", "print one JSON document (a line for each event)")
    .option("-q, --quiet", "print results and errors only")
    .option("--debug", "print stack traces")
    .addHelpText(
      "after",
      `
The exit code is that of --exec-front-end, else of --exec-back-end; 125: trace itself failed. With
--torture it is 1 if a program crashed, hung or leaked.

Examples:
  $ vhost-user trace --listen trace.sock --connect disk.sock
  $ vhost-user trace --exec-back-end 'my-backend {socket}' --exec-front-end 'my-vmm {socket}'
  $ vhost-user trace --listen trace.sock --connect disk.sock --filter 'error | slower=10ms'
  $ vhost-user trace --listen trace.sock --connect disk.sock --rings --filter rings
  $ vhost-user trace --listen trace.sock --connect disk.sock --rings=exact --filter 'kick | call'
  $ vhost-user trace --listen trace.sock --connect disk.sock --inject 'SET_VRING_KICK:drop:when=1'
  $ vhost-user trace --exec-back-end 'my-backend {socket}' --exec-front-end 'my-vmm {socket}' --torture
  $ vhost-user trace --listen trace.sock --connect disk.sock --pcapng - | wireshark -k -i -

Wireshark needs the dissector once: vhost-user wireshark --install`,
    );
  command.action(async (options) => {
    const { runTrace } = await import("./run.ts");
    await runTrace(options, context);
  });
  program.addCommand(command);
}
