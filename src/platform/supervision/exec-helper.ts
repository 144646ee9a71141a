/** The inside of the helper: see `exec-plan.ts`. It runs alone in its process, for some milliseconds. */
import { read } from "bun:ffi";
import { closeSync, openSync, writeSync } from "node:fs";
import { getSystemErrorMessage } from "node:util";
import { execute, toText } from "../execute.ts";
import { openLibc } from "../libc.ts";
import { type Account, type ExecFailure, type ExecPlan, READY } from "./exec-plan.ts";

const F_DUPFD_CLOEXEC = 1030;
const SYS_CLOSE_RANGE = 436;
const CLOSE_RANGE_CLOEXEC = 4;
const LAST_DESCRIPTOR = 0xff_ff_ff_ff;
const RLIMIT_NPROC = 6;
const SIG_SETMASK = 2;
const SIGPIPE = 13;
const SIGXFSZ = 25;
/** Larger than `sigset_t` of any C library. */
const SIGNAL_SET_BYTES = 128;

const SIGNATURES = {
  fcntl: { args: ["int", "int", "int"], returns: "int" },
  dup2: { args: ["int", "int"], returns: "int" },
  syscall: { args: ["i64", "i64", "i64", "i64"], returns: "i64" },
  initgroups: { args: ["ptr", "u32"], returns: "int" },
  setgroups: { args: ["u64", "ptr"], returns: "int" },
  setresgid: { args: ["u32", "u32", "u32"], returns: "int" },
  setresuid: { args: ["u32", "u32", "u32"], returns: "int" },
  setuid: { args: ["u32"], returns: "int" },
  prlimit: { args: ["int", "int", "ptr", "ptr"], returns: "int" },
  chdir: { args: ["ptr"], returns: "int" },
  sigprocmask: { args: ["int", "ptr", "ptr"], returns: "int" },
  __errno_location: { args: [], returns: "ptr" },
} as const;

/** Does what the plan on stdin says; only comes back, with an exit code, when it could not. */
export async function runExecHelper(): Promise<number> {
  const plan: ExecPlan = JSON.parse(await Bun.stdin.text());
  const c = openC();
  // The report: kept aside, closed by the kernel when the program starts, and out of the way of the sockets.
  const report = c.fcntl(1, F_DUPFD_CLOEXEC, plan.listeners + 100);
  writeSync(report, READY);
  try {
    becomeProgram(c, plan);
  } catch (thrown) {
    if (!(thrown instanceof StepError)) throw thrown;
    const failure: ExecFailure = { message: thrown.message, reason: thrown.reason };
    writeSync(report, JSON.stringify(failure));
  }
  return 1;
}

type C = ReturnType<typeof openC>;

const openC = () => openLibc(SIGNATURES);

class StepError extends Error {
  override readonly name = "StepError";
  readonly reason: string;
  constructor(message: string, reason: string) {
    super(message);
    this.reason = reason;
  }
}

function becomeProgram(c: C, plan: ExecPlan): void {
  arrangeFiles(c, plan.listeners);
  if (plan.processesMax !== null) limitProcesses(c, plan.processesMax);
  if (plan.account !== null) becomeAccount(c, plan.account);
  if (c.chdir(toText(plan.cwd)) !== 0) throw failed(c, `Cannot start in "${plan.cwd}"`);
  c.sigprocmask(SIG_SETMASK, new Uint8Array(SIGNAL_SET_BYTES), null);
  const listening: Record<string, string> =
    plan.listeners === 0 ? {} : { LISTEN_FDS: String(plan.listeners), LISTEN_PID: String(process.pid) };
  const variables = Object.entries({ ...plan.environment, ...listening });
  const reason = execute({
    path: plan.program,
    words: plan.words.map(toText),
    environment: variables.map(([name, value]) => toText(`${name}=${value}`)),
    // Bun ignores these two, and what is ignored stays so.
    signals: { byDefault: [SIGPIPE, SIGXFSZ], ignored: [] },
  });
  throw new StepError(`Cannot start "${plan.program}"`, reason);
}

/** stdin is /dev/null, stdout the file that stderr is; nothing else but the sockets goes on to the program. */
function arrangeFiles(c: C, listeners: number): void {
  c.dup2(2, 1);
  const nothing = openSync("/dev/null", "r");
  c.dup2(nothing, 0);
  closeSync(nothing);
  c.syscall(SYS_CLOSE_RANGE, 3 + listeners, LAST_DESCRIPTOR, CLOSE_RANGE_CLOEXEC);
}

function limitProcesses(c: C, most: number): void {
  if (c.prlimit(0, RLIMIT_NPROC, new BigUint64Array([BigInt(most), BigInt(most)]), null) !== 0) {
    throw failed(c, `Cannot limit the user to ${most} processes`);
  }
}

/** Becomes somebody else for good; believed only when the kernel says so, and the way back is closed. */
function becomeAccount(c: C, { uid, gid, name }: Account): void {
  const groups = name === null ? c.setgroups(1n, new Uint32Array([gid])) : c.initgroups(toText(name), gid);
  if (groups !== 0) throw failed(c, `Cannot take the groups of "${name ?? gid}"`);
  if (c.setresgid(gid, gid, gid) !== 0) throw failed(c, `Cannot become group ${gid}`);
  const wrong = "Cannot give up rights";
  if (process.getgid?.() !== gid || process.getegid?.() !== gid) {
    throw new StepError(wrong, `the group is ${process.getegid?.()}, ${gid} is needed`);
  }
  if (uid === null) return;
  if (c.setresuid(uid, uid, uid) !== 0) throw failed(c, `Cannot become user ${uid}`);
  if (process.getuid?.() !== uid || process.geteuid?.() !== uid) {
    throw new StepError(wrong, `the user is ${process.geteuid?.()}, ${uid} is needed`);
  }
  if (uid !== 0 && c.setuid(0) === 0) throw new StepError(wrong, "they could be taken again");
}

function failed(c: C, message: string): StepError {
  const at = c.__errno_location();
  const errno = at === null ? 0 : read.i32(at, 0);
  return new StepError(message, getSystemErrorMessage(-errno));
}
