import { join } from "node:path";
import { openListeningSockets } from "../../../src/platform/listeners/listening-sockets.ts";
import { listeningSocketsContract } from "./listening-sockets.contract.ts";

if (process.platform === "linux") {
  listeningSocketsContract("of this machine", {
    open: openListeningSockets,
    acceptor: [process.execPath, join(import.meta.dir, "../../fixtures/supervision/greets.ts")],
  });
} else console.log("skipped: sockets that are handed on, because only Linux is known to do so");
