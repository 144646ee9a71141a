import type { Prober } from "../../base/ports/prober.ts";
import { askByProgram } from "./ask-exec.ts";
import { httpTalk } from "./ask-http.ts";
import { askOverTcp } from "./ask-tcp.ts";

/** Asks over the network of this machine and through its programs. */
export const systemProber: Prober = {
  ask(question, timeoutMs, signal) {
    switch (question.kind) {
      case "http":
        return askOverTcp(httpTalk(question), timeoutMs, signal);
      case "tcp":
        return askOverTcp({ ...question, words: null, judge: () => null }, timeoutMs, signal);
      case "exec":
        return askByProgram(question, timeoutMs, signal);
    }
  },
};
