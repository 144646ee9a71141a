// Files of a server that were damaged while nobody looked: one of each class that matters.
import { defineDamageTests } from "../helpers/damage-suite.ts";
import { KINDS } from "../helpers/damaged-files.ts";

defineDamageTests({
  seed: 1,
  perClass: 1,
  kinds: KINDS,
  befores: ["killed"],
  isBrief: true,
  paths:
    /^(?:state\.db(?:-wal)?|index\.db|key|daemon\.lock\.json|fleet\.git\/(?:HEAD|refs\/fleet\/.*|objects\/.*))$/,
  timeoutMs: 180_000,
});
