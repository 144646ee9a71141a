/**
 * An ext4 disk in a file whose power can be cut: FS_IOC_SHUTDOWN without flushing the journal. What was flushed before is
 * there after the next mount, everything else is what a power cut leaves: gone, empty, or half of it.
 *
 * It is no test of disks that lie about a flush: the file that holds the disk stays whole.
 */
import { dlopen, ptr } from "bun:ffi";
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "./temp-git.ts";

/** From the kernel's `include/uapi/linux/fs.h` and `fs/ext4/ext4.h`. */
const FS_IOC_SHUTDOWN = 0x8004587d;
const GOING_FLAGS_NO_LOG_FLUSH = 2;

/** A process that was just killed may hold the disk for a moment; chosen, far above the slowest seen. */
const UNMOUNT_WITHIN_MS = 30_000;

/** Ways to mount it, from what people have to what makes a forgotten flush show at once. */
export const MOUNTS: readonly string[] = [
  "defaults",
  // Nothing reaches the disk but what somebody flushes.
  "commit=300",
  // Names and sizes reach it every second, ahead of the content.
  "commit=1,noauto_da_alloc,data=writeback",
];

/** Why there can be no such disk here, or null where there can. */
export function whyNoDisk(): string | null {
  if (process.platform !== "linux") return "loop devices are Linux";
  if (process.getuid?.() !== 0) return "mounting needs root";
  if (!existsSync("/dev/loop-control")) return "there are no loop devices";
  const missing = ["mkfs.ext4", "mount", "umount"].filter((name) => Bun.which(name) === null);
  return missing.length > 0 ? `${missing.join(", ")} missing` : null;
}

/** One disk, mounted at `folder`. */
export class PowerDisk {
  readonly #home = mkdtempSync(`${tmpdir()}/fleetd-disk-`);
  readonly folder = join(this.#home, "m");
  readonly #image = join(this.#home, "image");
  #isMounted = false;

  /** A new disk of `megabytes`, not mounted yet; `format`: more words for mkfs. */
  constructor(megabytes: number, format: readonly string[] = []) {
    mkdirSync(this.folder);
    run("truncate", "-s", `${megabytes}M`, this.#image);
    run("mkfs.ext4", "-q", "-F", ...format, this.#image);
  }

  /** Mounts it; the journal is replayed. */
  mount(options = "defaults"): void {
    run("mount", "-o", `loop,${options}`, this.#image, this.folder);
    this.#isMounted = true;
  }

  /** Lets it be read only, or written again. */
  remount(how: "ro" | "rw"): void {
    run("mount", "-o", `remount,${how}`, this.folder);
  }

  /** Brings everything to the disk. */
  flush(): void {
    run("sync", "-f", this.folder);
  }

  /** Cuts the power: from here on every call on it fails. */
  cut(): void {
    const { symbols, close } = dlopen("libc.so.6", {
      ioctl: { args: ["i32", "u64", "ptr"], returns: "i32" },
    });
    const file = openSync(this.folder, "r");
    const flags = new Uint32Array([GOING_FLAGS_NO_LOG_FLUSH]);
    const answer = symbols.ioctl(file, BigInt(FS_IOC_SHUTDOWN), ptr(flags));
    closeSync(file);
    close();
    if (answer !== 0) throw new Error(`the power of ${this.folder} could not be cut`);
  }

  /** Takes it away; whoever used it has to be gone. */
  async unmount(): Promise<void> {
    let last = "";
    const isFree = await eventually(() => {
      last = tryRun("umount", this.folder);
      return last === "";
    }, UNMOUNT_WITHIN_MS);
    if (!isFree) throw new Error(last);
    this.#isMounted = false;
  }

  async remove(): Promise<void> {
    if (this.#isMounted) await this.unmount();
    rmSync(this.#home, { recursive: true, force: true });
  }
}

/** The complaint of a command, empty when it succeeded. */
function tryRun(...words: readonly string[]): string {
  const { exitCode, stderr } = Bun.spawnSync([...words]);
  return exitCode === 0 ? "" : `${words.join(" ")}: ${stderr.toString()}`;
}

function run(...words: readonly string[]): void {
  const complaint = tryRun(...words);
  if (complaint !== "") throw new Error(complaint);
}
