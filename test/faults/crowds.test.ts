// Many daemons and many commands that are started at the same moment.
import { defineCrowds } from "../helpers/crowd-suite.ts";

defineCrowds({ daemons: 20, ids: 4, clis: 20, timeoutMs: 120_000 });
