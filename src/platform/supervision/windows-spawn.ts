/**
 * One start on Windows, by its own call: `Bun.spawn` puts children into a job that ends with this process, or takes their console
 * away, without which nobody can ask them to stop. A process is made suspended, put into its job, and only then let go.
 */
import type { Pointer } from "bun:ffi";
import { FleetError } from "../../base/errors.ts";
import type { SpawnRequest } from "../../base/ports/process-host.ts";
import { addressOf, isHandle, type Kernel, wide } from "./windows-calls.ts";
import { failed } from "./windows-job.ts";

const CREATE_SUSPENDED = 0x4;
const CREATE_NEW_PROCESS_GROUP = 0x2_00;
const CREATE_UNICODE_ENVIRONMENT = 0x4_00;
const EXTENDED_STARTUPINFO_PRESENT = 0x8_00_00;
const CREATE_NO_WINDOW = 0x8_00_00_00;
const STARTF_USESTDHANDLES = 0x1_00;
const HANDLE_LIST = 0x2_00_02n;
const DUPLICATE_SAME_ACCESS = 2;

const STARTUP_BYTES = 112;
const FLAGS_AT = 60;
const STDIN_AT = 80;
const STDOUT_AT = 88;
const STDERR_AT = 96;
const ATTRIBUTES_AT = 104;
const ATTRIBUTE_LIST_BYTES = 256;

const GENERIC_READ = 0x80_00_00_00;
const APPEND_ALONE = 0x10_00_04;
const SHARE_ALL = 7;
const OPEN_EXISTING = 3;
const OPEN_ALWAYS = 4;
const FILE_ATTRIBUTE_NORMAL = 0x80;

/** A process that runs. */
export interface WindowsChild {
  readonly process: Pointer;
  readonly pid: number;
}

/** Starts `program` in `job`. @throws FleetError */
export function startInJob(
  kernel: Kernel,
  job: Pointer,
  request: SpawnRequest,
  place: { readonly program: string; readonly environment: Readonly<Record<string, string>> },
): WindowsChild {
  if (/\.(?:bat|cmd)$/i.test(place.program)) {
    const why = "it is a script, whose words cmd.exe would read as commands; name cmd.exe itself";
    throw new FleetError("CONFIG", `Cannot start "${place.program}": ${why}`);
  }
  const input = openInherited(kernel, "NUL", GENERIC_READ, OPEN_EXISTING);
  const output = openInherited(kernel, request.output, APPEND_ALONE, OPEN_ALWAYS);
  try {
    const made = create(kernel, request, { ...place, input, output });
    return release(kernel, job, made);
  } finally {
    kernel.CloseHandle(input);
    kernel.CloseHandle(output);
  }
}

function openInherited(kernel: Kernel, path: string, access: number, how: number): Pointer {
  const mayInherit = new BigUint64Array([24n, 0n, 1n]);
  const file = kernel.CreateFileW(
    wide(path),
    access,
    SHARE_ALL,
    mayInherit,
    how,
    FILE_ATTRIBUTE_NORMAL,
    null,
  );
  if (isHandle(file)) return file;
  throw new FleetError("IO", `Cannot open "${path}": Windows answers with error ${kernel.GetLastError()}`);
}

interface Made extends WindowsChild {
  readonly thread: Pointer;
}

function create(
  kernel: Kernel,
  request: SpawnRequest,
  place: {
    readonly program: string;
    readonly environment: Readonly<Record<string, string>>;
    readonly input: Pointer;
    readonly output: Pointer;
  },
): Made {
  // Only these two go on to the child, whatever else of this process may be inherited.
  const handles = new BigUint64Array([BigInt(place.input), BigInt(place.output)]);
  const attributes = new Uint8Array(ATTRIBUTE_LIST_BYTES);
  const size = new BigUint64Array([BigInt(ATTRIBUTE_LIST_BYTES)]);
  kernel.InitializeProcThreadAttributeList(attributes, 1, 0, size);
  kernel.UpdateProcThreadAttribute(
    attributes,
    0,
    HANDLE_LIST,
    handles,
    BigInt(handles.byteLength),
    null,
    null,
  );
  const bytes = new Uint8Array(STARTUP_BYTES);
  const startup = new DataView(bytes.buffer);
  startup.setUint32(0, STARTUP_BYTES, true);
  startup.setUint32(FLAGS_AT, STARTF_USESTDHANDLES, true);
  startup.setBigUint64(STDIN_AT, BigInt(place.input), true);
  startup.setBigUint64(STDOUT_AT, BigInt(place.output), true);
  startup.setBigUint64(STDERR_AT, BigInt(place.output), true);
  startup.setBigUint64(ATTRIBUTES_AT, addressOf(attributes), true);
  const made = new BigUint64Array(3);
  const flags =
    CREATE_SUSPENDED |
    CREATE_NEW_PROCESS_GROUP |
    CREATE_UNICODE_ENVIRONMENT |
    EXTENDED_STARTUPINFO_PRESENT |
    CREATE_NO_WINDOW;
  const isMade = kernel.CreateProcessW(
    wide(place.program),
    wide(commandLine(request.command)),
    null,
    null,
    1,
    flags,
    wide(environmentBlock(place.environment)),
    wide(request.cwd),
    bytes,
    made,
  );
  if (isMade === 0) throw failed(kernel, `start "${place.program}"`);
  const [process = 0n, thread = 0n, ids = 0n] = made;
  // A handle is as wide as a pointer, and small.
  return {
    process: Number(process) as Pointer,
    thread: Number(thread) as Pointer,
    pid: Number(ids & 0xff_ff_ff_ffn),
  };
}

function release(kernel: Kernel, job: Pointer, { process, thread, pid }: Made): WindowsChild {
  try {
    if (kernel.AssignProcessToJobObject(job, process) === 0) {
      const error = failed(kernel, "put a process into its job");
      kernel.TerminateProcess(process, 1);
      throw error;
    }
    // The child has a handle on its own job, which keeps the name of the job alive for the next daemon.
    const there = new BigUint64Array(1);
    kernel.DuplicateHandle(kernel.GetCurrentProcess(), job, process, there, 0, 0, DUPLICATE_SAME_ACCESS);
    kernel.ResumeThread(thread);
    return { process, pid };
  } finally {
    kernel.CloseHandle(thread);
  }
}

/** Words as one line that the usual readers of it take apart again. */
export const commandLine = (words: readonly string[]): string => words.map(quoted).join(" ");

function quoted(word: string): string {
  if (/^[^\s"]+$/.test(word)) return word;
  // A backslash means something only before a quote.
  return `"${word.replace(/(\\*)"/g, '$1$1\\"').replace(/(\\+)$/, "$1$1")}"`;
}

const environmentBlock = (environment: Readonly<Record<string, string>>): string =>
  `${Object.entries(environment)
    .map(([name, value]) => `${name}=${value}`)
    .toSorted()
    .join("\0")}\0`;
