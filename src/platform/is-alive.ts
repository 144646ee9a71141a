/** Whether a process with this id runs, whoever's it is. An id may have been given to another process meanwhile. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (thrown) {
    // EPERM: it runs and is somebody else's.
    return thrown instanceof Error && "code" in thrown && thrown.code === "EPERM";
  }
}
