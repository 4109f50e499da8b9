import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import type { TestContext } from "node:test";

/** Prints each datagram as one line. Node has no datagram sockets of this family. */
const RECEIVER = `
use Socket; $| = 1;
my $address = shift; $address =~ s/^@/\\0/;
socket(my $socket, AF_UNIX, SOCK_DGRAM, 0) or die $!;
bind($socket, pack_sockaddr_un($address)) or die $!;
print "bound\n";
while (defined recv($socket, my $text, 4096, 0)) { $text =~ s/\n/ /g; print "$text\n" }
`;

interface Notifications {
  /** Resolves once this state has arrived `times` times. */
  received(state: string, times: number): Promise<void>;
}

/** A datagram socket as a service manager has it, with `@` in front an abstract one. */
export async function notifications(t: TestContext, address: string): Promise<Notifications> {
  const receiver = spawn("perl", ["-e", RECEIVER, address], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = once(receiver, "close");
  t.after(async () => {
    receiver.kill("SIGKILL");
    await ended;
  });
  let text = "";
  receiver.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const count = (line: string): number => text.split("\n").filter((each) => each === line).length;
  const received = async (line: string, times: number): Promise<void> => {
    while (count(line) < times)
      await once(receiver.stdout, "data", { signal: AbortSignal.timeout(20_000) });
    assert.equal(count(line), times);
  };
  await received("bound", 1);
  return { received };
}
