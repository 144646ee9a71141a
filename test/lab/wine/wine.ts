// Windows executables in Wine, headless, on a drive of their own. Wine is the one that is installed, else Debian's
// packages, unpacked below .tools (or FLEETD_LAB) once. It proves what Wine can: not Windows itself.
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fail, ok, type Result } from "../../../src/base/result.ts";
import { forwardingLibrary } from "./forwarding-library.ts";

/** How a Windows program ended; `code` null: it was killed. */
export interface WineRan {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A Windows program that was started. `pid` is the one that this system has for it. */
export interface WineProgram {
  readonly pid: number;
  stdout(): string;
  stderr(): string;
  /** Ends it as a crash does. */
  kill(): void;
  readonly ended: Promise<WineRan>;
}

/** Windows, as far as Wine goes. */
export interface Wine {
  /** Its version, as it says it. */
  readonly version: string;
  /** The folder that programs see as `C:\`. */
  readonly driveC: string;
  /** Starts a program, by its path on drive C or on this system. */
  start(words: readonly string[], options?: WineOptions): WineProgram;
  /** Runs it to its end. */
  run(words: readonly string[], options?: WineOptions): Promise<WineRan>;
  /** Ends every program in it. */
  close(): Promise<void>;
}

/** What a program gets beside its words. */
export interface WineOptions {
  readonly env?: Readonly<Record<string, string>>;
}

interface Installed {
  readonly loader: string;
  readonly server: string;
  readonly environment: Readonly<Record<string, string>>;
  /** Libraries that it looks for where a package would be installed. */
  readonly libraries: readonly string[];
}

const CACHE = join(process.env["FLEETD_LAB"] ?? join(import.meta.dir, "../../../.tools/lab"), "wine");
const PACKAGES = ["wine64", "libwine", "libunwind8", "libz-mingw-w64"];
/** A program that takes longer hangs; the first prefix takes 10 s. Chosen. */
const RUN_MS_MAX = 180_000;
/** What Bun needs and Wine 8 does not have. */
const RANDOM = ["bcryptprimitives.dll", "ProcessPrng", "advapi32.SystemFunction036"] as const;

/** Makes a drive in `folder` with Windows on it; or says why that cannot be. */
export async function openWine(folder: string): Promise<Result<Wine>> {
  const found = await findWine();
  if (!found.ok) return found;
  const { loader, server, environment: given, libraries } = found.value;
  const prefix = join(folder, "prefix");
  const home = join(folder, "home");
  mkdirSync(home, { recursive: true });
  const environment = {
    ...given,
    HOME: home,
    PATH: process.env["PATH"] ?? "",
    WINEPREFIX: prefix,
    WINEARCH: "win64",
    WINEDEBUG: process.env["WINEDEBUG"] ?? "-all",
    // No question whether Mono and Gecko are to be fetched.
    WINEDLLOVERRIDES: "mscoree=d;mshtml=d",
    DISPLAY: "",
    // Where Windows looks for programs, before its own folders.
    WINEPATH: "C:\\lab",
  };
  const quiet = (words: readonly string[]): Promise<number> =>
    Bun.spawn([...words], { env: environment, stdio: ["ignore", "ignore", "ignore"], timeout: RUN_MS_MAX })
      .exited;
  const driveC = join(prefix, "drive_c");
  const system = join(driveC, "windows/system32");
  mkdirSync(system, { recursive: true });
  for (const path of libraries) cpSync(path, join(system, basename(path)));
  // So many seconds, or Windows would shut down with its last program and begin anew with the next one.
  await quiet([server, "-p60"]);
  await quiet([loader, "wineboot", "-i"]);
  if (!existsSync(join(system, "kernel32.dll"))) {
    await quiet([server, "-k"]);
    return fail(`${loader} makes no drive: wineboot failed`);
  }
  const random = join(system, RANDOM[0]);
  if (!existsSync(random)) writeFileSync(random, forwardingLibrary(...RANDOM));
  await quiet([loader, "reg", "add", "HKCU\\Software\\Wine", "/v", "Version", "/d", "win10", "/f"]);
  mkdirSync(join(driveC, "lab"));
  const version = Bun.spawnSync([loader, "--version"], { env: environment }).stdout.toString().trim();
  const programs = new WinePrograms(folder, loader, environment);
  return ok({
    version,
    driveC,
    start: (words, options) => programs.start(words, options),
    run: (words, options) => programs.start(words, options).ended,
    async close() {
      await quiet([server, "-k"]);
      await quiet([server, "-w"]);
    },
  });
}

class WinePrograms {
  readonly #folder: string;
  readonly #loader: string;
  readonly #environment: Readonly<Record<string, string>>;
  #count = 0;

  constructor(folder: string, loader: string, environment: Readonly<Record<string, string>>) {
    this.#folder = folder;
    this.#loader = loader;
    this.#environment = environment;
  }

  start(words: readonly string[], { env = {} }: WineOptions = {}): WineProgram {
    this.#count += 1;
    // Files: a pipe would stay open for as long as anything lives that the program started.
    const [out, err] = ["out", "err"].map((name) => join(this.#folder, `${name}-${this.#count}`)) as [
      string,
      string,
    ];
    const child = Bun.spawn([this.#loader, ...words], {
      cwd: this.#folder,
      env: { ...this.#environment, ...env },
      stdio: ["ignore", Bun.file(out), Bun.file(err)],
    });
    const stdout = (): string => readFileSync(out, "utf8");
    const stderr = (): string => readFileSync(err, "utf8");
    return {
      pid: child.pid,
      stdout,
      stderr,
      kill: () => child.kill("SIGKILL"),
      ended: child.exited.then((code) => ({
        code: child.signalCode === null ? code : null,
        stdout: stdout(),
        stderr: stderr(),
      })),
    };
  }
}

async function findWine(): Promise<Result<Installed>> {
  if (process.platform !== "linux" || process.arch !== "x64") return fail("Linux on x64 is needed");
  const installed = ["/usr/lib/wine/wine64", Bun.which("wine64"), Bun.which("wine")].find(
    (path) => path !== null && existsSync(path),
  );
  if (typeof installed === "string") return withServer({ loader: installed, environment: {}, libraries: [] });
  const script = join(import.meta.dir, "../fetch-packages.sh");
  const child = Bun.spawn(["sh", script, CACHE, ...PACKAGES], { stdio: ["ignore", "ignore", "pipe"] });
  const said = (await new Response(child.stderr).text()).trim();
  if ((await child.exited) !== 0) return fail(said);
  const libraries = join(CACHE, "usr/lib/x86_64-linux-gnu");
  // What Wine calls is a script that looks for the server where a package would be installed.
  cpSync(join(CACHE, "usr/lib/wine/wineserver64"), join(CACHE, "usr/lib/wine/wineserver"));
  return withServer({
    loader: join(CACHE, "usr/lib/wine/wine64"),
    environment: { LD_LIBRARY_PATH: libraries, WINEDLLPATH: join(libraries, "wine") },
    libraries: [join(CACHE, "usr/x86_64-w64-mingw32/lib/zlib1.dll")],
  });
}

function withServer({ loader, environment, libraries }: Omit<Installed, "server">): Result<Installed> {
  const server = [
    join(dirname(loader), "wineserver64"),
    join(dirname(loader), "wineserver"),
    Bun.which("wineserver"),
  ].find((path) => path !== null && existsSync(path));
  if (typeof server !== "string") return fail(`${loader} has no wineserver`);
  return ok({ loader, server, libraries, environment: { ...environment, WINESERVER: server } });
}
