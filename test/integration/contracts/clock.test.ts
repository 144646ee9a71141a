import { systemClock } from "../../../src/platform/clock.ts";
import { FakeClock } from "../../helpers/fake-clock.ts";
import { clockContract } from "./clock.contract.ts";

clockContract("system", () => ({
  clock: systemClock,
  pass: (durationMs) => systemClock.sleep(durationMs + 5, new AbortController().signal),
}));

clockContract("fake", () => {
  const clock = new FakeClock();
  return { clock, pass: (durationMs) => clock.advance(durationMs) };
});
