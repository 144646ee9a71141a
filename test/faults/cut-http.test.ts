// The way to a remote over HTTP dies after N bytes, for N over a whole push and a whole fetch.
import { defineCutTests } from "../helpers/cut-suite.ts";

defineCutTests({ transport: "http", pushes: 6, fetches: 5, daemon: 1, swallowed: 1, timeoutMs: 400_000 });
