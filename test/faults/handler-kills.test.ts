// A handler runs at most once, or again where its rule says so, wherever kill -9 meets its daemon.
import { defineHandlerKillTests } from "../helpers/handler-kill-suite.ts";

defineHandlerKillTests({ perStep: 2, random: 6, tries: 20, timeoutMs: 240_000 });
