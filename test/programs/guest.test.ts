import { test } from "node:test";
import { guardLeaks } from "../support/leak-guard.ts";
import { leasedCard, wiredCard } from "./support/guest/addressed-cards.ts";
import { cardMatrix, cardOfTwoPairs, cardWithMtu, countedCard } from "./support/guest/cards.ts";
import { killedDisk, resizedDisk } from "./support/guest/changing-disks.ts";
import { daemonDisk, diskMatrix, servedDisks } from "./support/guest/disks.ts";
import { entropyOfExamples, servedEntropy } from "./support/guest/entropy.ts";
import { forgottenFolder, servedFolder, virtiofsdFolder } from "./support/guest/folders.ts";
import { bootParts, type Planned } from "./support/guest/machine.ts";
import { needsGuest, needsProgram, needsRoot } from "./support/index.ts";

guardLeaks();

const formats = ["off", "on"] as const;

const parts: readonly Planned[] = [
  { name: "its checksums equal ours on 16 disks, one for each kind of ring", make: diskMatrix },
  {
    name: "its checksums equal ours on disks of serve block: on the loop, and in workers by event and hybrid",
    make: servedDisks,
  },
  {
    name: "it writes and reads a disk of the storage daemon, and both see the same bytes",
    skip: needsProgram("qemu-storage-daemon"),
    make: daemonDisk,
  },
  { name: "it sees that its disk grew, and uses what was added", make: resizedDisk },
  { name: "it writes on while its disk's back-end is killed 5 times", make: killedDisk },
  {
    name: "16 cards, one for each kind of ring: pings are answered, contents and counts are equal",
    make: cardMatrix,
  },
  { name: "its frames arrive with equal contents, and ours arrive there", make: countedCard },
  { name: "it sends on both pairs of a card, as configured", make: cardOfTwoPairs },
  { name: "its card has the MTU that NET_SET_MTU set", make: cardWithMtu },
  ...formats.map((packed) => ({
    name: `it gets an address by DHCP of serve net, and its pings are answered: packed ${packed}`,
    make: async (t: test.TestContext, name: string) => leasedCard(t, name, packed),
  })),
  {
    name: "over a wire of two devices our driver gets an address of its DHCP server, and pings it",
    make: wiredCard,
  },
  ...formats.map((packed) => ({
    name: `it mounts serve fs, reads what is there and nothing else: packed ${packed}`,
    make: async (t: test.TestContext, name: string) => servedFolder(t, name, packed),
  })),
  {
    name: "what it forgets of a folder is let go: its count of look-ups is ours",
    make: forgottenFolder,
  },
  {
    name: "it mounts the directory that virtiofsd shares, and writes into it",
    skip: needsRoot() || needsProgram("virtiofsd"),
    make: virtiofsdFolder,
  },
  { name: "it reads random bytes from serve rng", make: servedEntropy },
  {
    name: "it reads random bytes from the entropy device of the examples",
    make: entropyOfExamples,
  },
];

test(
  "a Linux guest in one machine with devices of every kind",
  { skip: needsGuest() },
  async (t) => {
    await bootParts(t, parts);
  },
);
