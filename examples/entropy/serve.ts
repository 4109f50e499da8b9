// node serve.js SOCKET: serves an entropy device until Ctrl-C.
import { BackendServer } from "vhost-user";
import { EntropyDevice } from "./device.ts";

const [, , socket = "entropy.sock"] = process.argv;
const server = await BackendServer.listen(socket, { device: () => new EntropyDevice() });
process.stdout.write(`listening on ${socket}; Ctrl-C ends\n`);
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => server.close());
