// The way to a remote over HTTP dies after N bytes, for N over a whole push and a whole fetch.
import { defineCutTests } from "../helpers/cut-suite.ts";

defineCutTests({ transport: "http", pushes: 13, fetches: 13, daemon: 2, swallowed: 2, timeoutMs: 400_000 });
