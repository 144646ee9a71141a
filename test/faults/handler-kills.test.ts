// A handler runs at most once, or again where its rule says so, wherever kill -9 meets its daemon.
import { defineHandlerKillTests } from "../helpers/handler-kill-suite.ts";

defineHandlerKillTests({ perStep: 1, random: 3, tries: 20, timeoutMs: 240_000 });
