// As cut-http.test.ts, over ssh, whose handshake is most of the bytes.
import { defineCutTests } from "../helpers/cut-suite.ts";

defineCutTests({ transport: "ssh", pushes: 1, fetches: 1, daemon: 0, swallowed: 0, timeoutMs: 400_000 });
