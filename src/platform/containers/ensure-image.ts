import { causedBy, FleetError, messageOf } from "../../base/errors.ts";
import type { ContainerRequest } from "../../base/ports/process-host.ts";
import { type Engine, isMissing } from "./engine.ts";

/** Makes sure that an image is here, as its service wants it; `giveUp` ends a pull. @throws FleetError CONFIG, UNAVAILABLE */
export async function ensureImage(
  engine: Engine,
  { image, pull }: ContainerRequest,
  giveUp?: AbortSignal,
): Promise<void> {
  if (pull !== "always" && (await isHere(engine, image, giveUp))) return;
  if (pull === "never") {
    throw new FleetError("CONFIG", `Cannot find the image "${image}": it is not here, and pull is never`);
  }
  const named = /[@:][^/]*$/.test(image) ? image : `${image}:latest`;
  try {
    const response = await engine.open({
      method: "POST",
      path: "/images/create",
      query: { fromImage: named },
      // As long as the start may take.
      signal: giveUp ?? new AbortController().signal,
    });
    const failed = pullError(await response.text());
    if (failed !== null) throw new FleetError("UNAVAILABLE", failed);
  } catch (thrown) {
    throw causedBy("UNAVAILABLE", `Cannot pull the image "${image}": ${messageOf(thrown)}`, thrown);
  }
}

async function isHere(engine: Engine, image: string, giveUp?: AbortSignal): Promise<boolean> {
  try {
    await engine.ask({ method: "GET", path: `/images/${encodeURIComponent(image)}/json`, giveUp });
    return true;
  } catch (thrown) {
    if (isMissing(thrown)) return false;
    throw thrown;
  }
}

/** The progress of a pull is a line of JSON after the other; one that failed is told in the last. */
function pullError(text: string): string | null {
  for (const line of text.split("\n")) {
    if (line.trim() === "") continue;
    const { error }: { error?: unknown } = JSON.parse(line);
    if (typeof error === "string") return error;
  }
  return null;
}
