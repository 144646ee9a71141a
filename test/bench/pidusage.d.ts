/** The one face of `pidusage` that is compared with; the package ships no types. */
declare module "pidusage" {
  /** What each process uses; `cpu` is a share since the call before. */
  function pidusage(
    pids: readonly number[],
  ): Promise<Record<string, { readonly cpu: number; readonly memory: number }>>;
  export = pidusage;
}
