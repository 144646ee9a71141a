import { formatHostPort } from "../../base/host-port.ts";
import type { ProbeAnswer, ProbeQuestion } from "../../base/ports/prober.ts";
import type { Talk } from "./ask-tcp.ts";

type HttpQuestion = Extract<ProbeQuestion, { kind: "http" }>;

/** A first line is far shorter. */
const LINE_LENGTH_MAX = 1_024;
const DETAIL_LENGTH_MAX = 200;

/**
 * One GET as a conversation. Not `fetch`: it would go through the proxies of the daemon's environment and follow
 * redirects, and nothing of the answer is needed but its first line.
 */
export function httpTalk({ host, port, path, headers, statuses }: HttpQuestion): Talk {
  const given = new Set(Object.keys(headers).map((name) => name.toLowerCase()));
  const standard = [
    ["Host", formatHostPort({ host, port })],
    ["User-Agent", "fleetd-probe"],
    ["Accept", "*/*"],
    ["Connection", "close"],
  ].filter(([name = ""]) => !given.has(name.toLowerCase()));
  const lines = [...standard, ...Object.entries(headers)].map(([name, value]) => `${name}: ${value}`);
  return {
    host,
    port,
    words: `GET ${path} HTTP/1.1\r\n${lines.join("\r\n")}\r\n\r\n`,
    judge: (received) => judgeFirstLine(received, statuses),
  };
}

function judgeFirstLine(received: string, statuses: readonly number[] | null): ProbeAnswer | null {
  const end = received.indexOf("\n");
  if (end === -1 && received.length <= LINE_LENGTH_MAX) return null;
  const match = /^HTTP\/1\.[01] (?<status>[1-5]\d\d)(?: (?<reason>[^\r\n]*))?\r?\n/.exec(received);
  if (match === null) return { isWell: false, detail: "it answers, and not in HTTP/1.1" };
  const status = Number(match.groups?.["status"]);
  const isWell = statuses === null ? status >= 200 && status < 400 : statuses.includes(status);
  const reason = match.groups?.["reason"] ?? "";
  return { isWell, detail: `HTTP ${status} ${reason}`.trim().slice(0, DETAIL_LENGTH_MAX) };
}
