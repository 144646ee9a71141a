import { fail, ok, type Result } from "./result.ts";

/** An address and a port, such as a program listens on. `host` is an IP address or a name, IPv6 without brackets. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}

const NAME =
  /^(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*$/;
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)$/;

/** Whether `text` is an IP address; of IPv6 the plain forms without a zone. */
export const isIpAddress = (text: string): boolean => IPV4.test(text) || isIpv6(text);

/** Whether `text` is an IPv6 address without a zone. */
export function isIpv6(text: string): boolean {
  if (!/^[0-9A-Fa-f:.]{2,45}$/.test(text) || !text.includes(":")) return false;
  // The last 32 bits may be written as IPv4.
  const lastColon = text.lastIndexOf(":");
  const tail = text.slice(lastColon + 1);
  if (tail.includes(".") && !IPV4.test(tail)) return false;
  const plain = tail.includes(".") ? `${text.slice(0, lastColon + 1)}0:0` : text;
  const halves = plain.split("::");
  if (halves.length > 2) return false;
  const groups = halves.flatMap((half) => (half === "" ? [] : half.split(":")));
  if (!groups.every((group) => /^[0-9A-Fa-f]{1,4}$/.test(group))) return false;
  return halves.length === 2 ? groups.length <= 7 : groups.length === 8;
}

/** Reads `127.0.0.1:80`, `[::1]:80` or `name:80`. */
export function parseHostPort(text: string): Result<HostPort> {
  const match = /^(?:\[(?<six>[^\]]*)\]|(?<four>[^:]*)):(?<port>\d{1,5})$/.exec(text);
  const { six, four, port } = match?.groups ?? {};
  const number = Number(port);
  const isHost = six === undefined ? NAME.test(four ?? "") : isIpv6(six);
  if (match !== null && isHost && number >= 1 && number <= 65_535) {
    return ok({ host: six ?? four ?? "", port: number });
  }
  return fail(
    `Cannot read address "${text.slice(0, 80)}": need ADDRESS:PORT, such as 127.0.0.1:8080 or [::1]:8080`,
  );
}

/** An address as it is written: IPv6 in brackets. */
export const formatHostPort = ({ host, port }: HostPort): string =>
  host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
