// As cut-http.test.ts, over ssh, whose handshake is most of the bytes.
import { defineCutTests } from "../helpers/cut-suite.ts";

defineCutTests({ transport: "ssh", pushes: 3, fetches: 2, daemon: 0, swallowed: 0, timeoutMs: 400_000 });
