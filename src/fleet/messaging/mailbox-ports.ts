import type { Clock } from "../../base/ports/clock.ts";
import type { Cryptography, SigningKey } from "../../base/ports/cryptography.ts";
import type { Database } from "../../base/ports/database.ts";
import type { GitRemote } from "../../base/ports/git-remote.ts";
import type { GitStore } from "../../base/ports/git-store.ts";
import type { Identity } from "./identity.ts";

/** Local names of what the remote holds, and of what was accepted and is kept whatever the remote does. */
export const TRACKING = {
  log: "refs/fleet/log/",
  state: "refs/fleet/state/",
  kept: "refs/kept/log/",
  own: "refs/own/log",
  meta: "refs/remote/meta",
  conflict: "refs/remote/conflict/",
  /** What a look after a refused push found on the own refs. */
  foundLog: "refs/own/found-log",
  foundCard: "refs/own/card",
  /** What a log was before its owner shortened it: `<server>/<number>`, so that nobody loses what he had. */
  former: "refs/kept/former/",
  /** A shortened own log that was built and may be on its way. */
  shortened: "refs/own/shortened",
};

/** What a server's mailbox needs from the machine to send. */
export interface SendPorts {
  readonly identity: Identity;
  readonly state: Database;
  readonly store: GitStore;
  readonly remote: GitRemote;
  readonly clock: Clock;
  readonly cryptography: Cryptography;
  readonly key: SigningKey;
  /**
   * The own private key with this public half, while there are two. Absent where there is one.
   * @throws FleetError CONFIG when it is not on this machine
   */
  readonly keyOf?: (publicKey: string) => Promise<SigningKey>;
}

/** What a server's mailbox needs from the machine to receive. */
export interface ReceivePorts {
  readonly identity: Identity;
  readonly state: Database;
  readonly index: Database;
  readonly store: GitStore;
  readonly remote: GitRemote;
  readonly clock: Clock;
  readonly cryptography: Cryptography;
  readonly groups: readonly string[];
}
