// Every argument of every command is given words that turn a careless program against its user. The list of commands
// is fleetd's own table, so a command that is added is tested by itself. FLEETD_WORDS_SEED plays a run again.
import { defineInjectionTests } from "../helpers/injection-suite.ts";

defineInjectionTests({ wordsPerArgument: 1, wordsPerVariable: 1, timeoutMs: 120_000 });
