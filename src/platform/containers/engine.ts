/** The interface of Docker's engine (Podman has the same one), spoken over its socket. */
import { causedBy, FleetError, messageOf } from "../../base/errors.ts";

/** An answer that was a refusal. */
export class EngineError extends Error {
  override readonly name = "EngineError";
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

/** Whether the engine has no such thing. */
export const isMissing = (thrown: unknown): boolean => thrown instanceof EngineError && thrown.status === 404;

/** How long a short answer may take; an engine that swaps takes seconds. Chosen, not measured. */
const ANSWER_MS = 30_000;

/** The socket that `DOCKER_HOST` names, or the usual one. @throws FleetError CONFIG for one that is not of this machine */
export function engineSocket(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string {
  const host = environment["DOCKER_HOST"];
  if (host === undefined || host === "") return "/var/run/docker.sock";
  if (host.startsWith("unix://")) return host.slice("unix://".length);
  throw new FleetError(
    "CONFIG",
    `Cannot use DOCKER_HOST "${host}": need unix:///PATH, a socket of this machine`,
  );
}

/** One question. */
export interface EngineCall {
  readonly method: "GET" | "POST" | "DELETE";
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly body?: unknown;
  /** Instead of the usual time limit. */
  readonly signal?: AbortSignal;
  /** Beside the time limit. */
  readonly giveUp?: AbortSignal | undefined;
}

/** See the head of this file. */
export class Engine {
  readonly #socket: () => string;

  /** `socket`: asked at each call; may throw. */
  constructor(socket: () => string) {
    this.#socket = socket;
  }

  /** @throws EngineError when it refuses, FleetError CONFIG when there is none */
  async ask<Answer>(call: EngineCall): Promise<Answer> {
    const response = await this.open(call);
    const text = await response.text();
    // Some answers have nothing to say.
    return (text === "" ? null : JSON.parse(text)) as Answer;
  }

  /** The same with an answer that is read as it comes. */
  async open({ method, path, query = {}, body, signal, giveUp }: EngineCall): Promise<Response> {
    const limit = signal ?? AbortSignal.timeout(ANSWER_MS);
    const words = new URLSearchParams(query).toString();
    const socket = this.#socket();
    let response: Response;
    try {
      response = await fetch(`http://engine${path}${words === "" ? "" : `?${words}`}`, {
        method,
        unix: socket,
        signal: giveUp === undefined ? limit : AbortSignal.any([limit, giveUp]),
        // Waiting for the end of a container takes as long as that lives.
        timeout: false,
        ...(body === undefined
          ? {}
          : { body: JSON.stringify(body), headers: { "content-type": "application/json" } }),
      } as RequestInit);
    } catch (thrown) {
      if (signal?.aborted === true || giveUp?.aborted === true) throw thrown;
      throw causedBy("CONFIG", `Cannot reach Docker at "${socket}": ${messageOf(thrown)}`, thrown);
    }
    if (!response.ok) throw new EngineError(response.status, await refusalOf(response));
    return response;
  }
}

async function refusalOf(response: Response): Promise<string> {
  const text = await response.text();
  try {
    const { message }: { message?: unknown } = JSON.parse(text);
    return typeof message === "string" ? message : text;
  } catch {
    // No JSON: its own words then.
    return text.trim() || `status ${response.status}`;
  }
}
