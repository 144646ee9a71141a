// As cut-http.test.ts, over ssh, whose handshake is most of the bytes. Looks, daemons and answers over ssh: test/long/faults-remote.test.ts.
import { defineCutTests } from "../helpers/cut-suite.ts";

defineCutTests({ transport: "ssh", pushes: 1, fetches: 0, daemon: 0, swallowed: 0, timeoutMs: 400_000 });
