import { ACTION_WORDS } from "./actions.ts";

/** The page of `trace --help-inject`. */
export function injectionHelp(): string {
  const width = Math.max(...ACTION_WORDS.map(({ form }) => form.length));
  return `A fault changes what passes between the two programs:

  REQUEST:ACTION[:when=N[..M][+STEP]]

REQUEST is a filter (--help-filter) that chooses the messages: GET_CONFIG, SET_VRING_*,
SET_VRING_KICK & ring=1. It means requests, unless the word reply is in it: GET_CONFIG reply.

ACTION:
${ACTION_WORDS.map(({ form, text }) => `  ${form.padEnd(width)}  ${text}`).join("\n")}

Instead of REQUEST, kick or call chooses the kicks or calls themselves, also of one ring:
kick & ring=1. They may have drop and delay. In-band notifications, VRING_KICK and
BACKEND_VRING_CALL, are messages.

N counts what REQUEST chooses, from 1 and over all sessions: when=3 is the third, when=2..4 are
three, when=3+ the third and all later ones, when=1+2 every other one. Without when: all of them.

Each message that was changed gets a line, an object in --json, and a packet in --pcapng.

Examples:
  --inject 'kick:drop:when=3'                    the third kick is lost
  --inject 'SET_VRING_KICK:swap-fd'              the back-end never sees a kick
  --inject 'SET_MEM_TABLE | ADD_MEM_REG:swap-fd' the back-end sees other memory than the guest
  --inject 'GET_CONFIG:no-reply:when=1'          one answer is missing
  --inject 'SET_FEATURES:set features=-VERSION_1' the back-end sees a legacy driver
  --inject 'SET_VRING_ENABLE:disconnect:when=1'  the front-end has to reconnect`;
}
