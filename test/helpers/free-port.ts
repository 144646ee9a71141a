import { createServer } from "node:net";

/** Outside of what systems give to those who ask for any port, which would take one of ours in the next moment. */
const FIRST = 20_000;
const COUNT = 10_000;
/** The UDP port of the same number less this says that a TCP port is somebody's: it goes with the process that has it. */
const CLAIM_BELOW = 10_000;

const claims: { unref(): void }[] = [];

/** A port that nobody listens on, and that no other test is told of as long as this process lives. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * COUNT);
    if (!(await isFree(port))) continue;
    const claim = await claimed(port);
    if (claim === null) continue;
    claim.unref();
    claims.push(claim);
    return port;
  }
}

async function claimed(port: number): Promise<{ unref(): void } | null> {
  try {
    return await Bun.udpSocket({ hostname: "127.0.0.1", port: port - CLAIM_BELOW });
  } catch {
    // Another test has it.
    return null;
  }
}

function isFree(port: number): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const server = createServer();
  server.once("error", () => resolve(false));
  server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  return promise;
}
