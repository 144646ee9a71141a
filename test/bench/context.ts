import type { TempGit } from "../helpers/temp-git.ts";
import type { LargeRemotes } from "./large-remote.ts";
import type { Row } from "./row.ts";

/** What a benchmark works with. */
export interface Context {
  /** The compiled executable. */
  readonly fleetd: string;
  /** A compiled program that does nothing. */
  readonly hello: string;
  readonly temp: TempGit;
  readonly remotes: LargeRemotes;
  /** Fewer runs, smaller remotes, nothing that takes minutes. */
  readonly quick: boolean;
  /** Also what takes minutes by itself. */
  readonly long: boolean;
  /** How often to measure: what was asked for, else `usual`. */
  readonly runs: (usual: number) => number;
}

/** One measurement or several that share their preparation. `--only` compares with the start of `name`. */
export interface Bench {
  readonly name: string;
  readonly run: (context: Context) => Promise<Row[]>;
}
