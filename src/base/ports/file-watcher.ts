/** What is watched for changes. */
export interface WatchTarget {
  /** A folder with all below it, or one file; absolute. */
  readonly path: string;
  /** Whether a name below it is left out, with all that is in it; `path` is relative to the target, with slashes. */
  readonly isIgnored: (path: string) => boolean;
}

/** What a watch tells. */
export interface WatchEvents {
  /** Something was written, made, removed or renamed; absolute. Told for each of these, several times for some. */
  readonly onChange: (path: string) => void;
  /** Something cannot be watched, or not any more; the rest still is. */
  readonly onTrouble: (detail: string) => void;
}

/** Watches files for changes. Links are not followed: what they lead to is somewhere else. */
export interface FileWatcher {
  /** Answers what ends it. A target that is not there is told as trouble. */
  watch(target: WatchTarget, events: WatchEvents): () => void;
}
