// As cut-http.test.ts, over ssh, whose handshake is most of the bytes.
import { defineCutTests } from "../helpers/cut-suite.ts";

defineCutTests({ transport: "ssh", pushes: 4, fetches: 3, daemon: 0, swallowed: 0, timeoutMs: 120_000 });
