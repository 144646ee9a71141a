/** The inside of the helper on Windows: goes to the console of a process and breaks it there. */
import { dlopen } from "bun:ffi";

const CTRL_BREAK_EVENT = 1;

/** Sends a break to the group that `plan.breakPid` leads, on its console. The exit code says whether it was sent. */
export async function runBreakHelper(): Promise<number> {
  const { breakPid }: { breakPid: number } = JSON.parse(await Bun.stdin.text());
  const { symbols: console } = dlopen("kernel32.dll", {
    FreeConsole: { args: [], returns: "i32" },
    AttachConsole: { args: ["u32"], returns: "i32" },
    GenerateConsoleCtrlEvent: { args: ["u32", "u32"], returns: "i32" },
  });
  console.FreeConsole();
  if (console.AttachConsole(breakPid) === 0) return 1;
  return console.GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, breakPid) === 0 ? 1 : 0;
}
