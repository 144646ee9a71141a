import { causedBy, EXIT_CODES, FleetError, messageOf, requireOk } from "../../base/errors.ts";
import type { Result } from "../../base/result.ts";
import {
  type ChangesAnswer,
  type ChangesCall,
  type DaemonStatus,
  type ErrorAnswer,
  type MarkAnswer,
  type MarkCall,
  PATHS,
  type PushAnswer,
  REQUEST_BYTES_MAX,
  type ReexecAnswer,
  type ReloadAnswer,
  type SecondInstanceAnswer,
  type SecondInstanceCall,
  type SendAnswer,
  type SendCall,
} from "../protocol.ts";
import {
  type ActAnswer,
  type ActCall,
  type AdoptCall,
  type DetailAnswer,
  type DetailCall,
  FRESH_QUERY,
  type GiveCall,
  type ReplaceAnswer,
  type ReplaceCall,
  SERVICE_PATHS,
  type ServicesAnswer,
} from "../service-protocol.ts";
import { parseChangesCall, parseMarkCall, parseSecondInstanceCall, parseSendCall } from "./parse-calls.ts";
import {
  parseActCall,
  parseAdoptCall,
  parseDetailCall,
  parseGiveCall,
  parseReplaceCall,
} from "./parse-service-calls.ts";

/** What the daemon does when asked; every method may throw a `FleetError`. */
export interface ControlHandlers {
  status(): DaemonStatus;
  send(call: SendCall): Promise<SendAnswer>;
  mark(call: MarkCall): MarkAnswer;
  changes(call: ChangesCall): Promise<ChangesAnswer>;
  reload(): Promise<ReloadAnswer>;
  reexec(): Promise<ReexecAnswer>;
  push(): PushAnswer;
  secondInstance(call: SecondInstanceCall): SecondInstanceAnswer;
  readonly services: ServiceHandlers;
}

/** What the daemon that supervises does when asked; another one throws UNAVAILABLE, naming the one that does. */
export interface ServiceHandlers {
  /** `isFresh`: what services use is to be at most a second old. */
  list(isFresh: boolean): Promise<ServicesAnswer>;
  detail(call: DetailCall): Promise<DetailAnswer>;
  act(call: ActCall): ActAnswer;
  give(call: GiveCall): ActAnswer;
  adopt(call: AdoptCall): Promise<ActAnswer>;
  replace(call: ReplaceCall): Promise<ReplaceAnswer>;
}

/** A listening control socket. */
export interface ControlServer {
  /** Takes no new connections; resolves when what was asked before is answered. */
  drain(): Promise<void>;
  /** Stops listening; requests in progress are cut off. */
  stop(): Promise<void>;
}

/** Listens on the socket `path`. The caller has made sure that no other daemon does. */
export function startControlServer(path: string, handlers: ControlHandlers): ControlServer {
  const server = Bun.serve({
    unix: path,
    development: false,
    maxRequestBodySize: REQUEST_BYTES_MAX,
    routes: {
      [PATHS.status]: { GET: () => respond(() => handlers.status()) },
      [PATHS.reload]: { POST: () => respond(() => handlers.reload()) },
      [PATHS.reexec]: {
        POST: (request, running) => {
          // The next program is tried first.
          running.timeout(request, 0);
          return respond(() => handlers.reexec());
        },
      },
      [PATHS.send]: {
        POST: (request) => respond(async () => handlers.send(await read(request, parseSendCall))),
      },
      [PATHS.mark]: {
        POST: (request) => respond(async () => handlers.mark(await read(request, parseMarkCall))),
      },
      [PATHS.secondInstance]: {
        POST: (request) =>
          respond(async () => handlers.secondInstance(await read(request, parseSecondInstanceCall))),
      },
      [PATHS.push]: { POST: () => respond(() => handlers.push()) },
      ...serviceRoutes(handlers.services),
      [PATHS.changes]: {
        POST: (request, running) => {
          // A quiet connection would be cut after 10 s, and this one is quiet on purpose.
          running.timeout(request, 0);
          return respond(async () => handlers.changes(await read(request, parseChangesCall)));
        },
      },
    },
    fetch: () =>
      toResponse(new FleetError("USAGE", "Cannot serve this path: the daemon and the command differ")),
    error: toResponse,
  });
  return { drain: () => server.stop(false), stop: () => server.stop(true) };
}

function serviceRoutes(services: ServiceHandlers) {
  return {
    [SERVICE_PATHS.list]: {
      GET: (request: Request) =>
        respond(() => services.list(new URL(request.url).searchParams.has(FRESH_QUERY))),
    },
    [SERVICE_PATHS.detail]: post(parseDetailCall, (call) => services.detail(call)),
    [SERVICE_PATHS.act]: post(parseActCall, (call) => services.act(call)),
    [SERVICE_PATHS.give]: post(parseGiveCall, (call) => services.give(call)),
    [SERVICE_PATHS.adopt]: post(parseAdoptCall, (call) => services.adopt(call)),
    [SERVICE_PATHS.replace]: {
      POST: (request: Request, running: Bun.Server<undefined>) => {
        // It takes as long as the new ones take to become ready.
        running.timeout(request, 0);
        return respond(async () => services.replace(await read(request, parseReplaceCall)));
      },
    },
  };
}

const post = <Call>(parseCall: (value: unknown) => Result<Call>, answer: (call: Call) => unknown) => ({
  POST: (request: Request): Promise<Response> => respond(async () => answer(await read(request, parseCall))),
});

async function respond(body: () => unknown): Promise<Response> {
  try {
    return Response.json(await body());
  } catch (thrown) {
    return toResponse(thrown);
  }
}

/** HTTP status by exit code; what is not listed is the server's own failure. */
const STATUSES: Readonly<Record<number, number>> = {
  [EXIT_CODES.USAGE]: 400,
  [EXIT_CODES.BAD_INPUT]: 422,
  [EXIT_CODES.NOT_AUTHORISED]: 403,
  [EXIT_CODES.UNAVAILABLE]: 503,
};

function toResponse(thrown: unknown): Response {
  const code = thrown instanceof FleetError ? thrown.code : "INTERNAL";
  const hint = thrown instanceof FleetError ? thrown.hint : undefined;
  const answer: ErrorAnswer = {
    error: { code, message: messageOf(thrown), ...(hint === undefined ? {} : { hint }) },
  };
  return Response.json(answer, { status: STATUSES[EXIT_CODES[code]] ?? 500 });
}

async function read<Call>(request: Request, parseCall: (value: unknown) => Result<Call>): Promise<Call> {
  let value: unknown;
  try {
    value = await request.json();
  } catch (thrown) {
    throw causedBy("BAD_INPUT", "Cannot read request: not JSON", thrown);
  }
  return requireOk("BAD_INPUT", parseCall(value));
}
