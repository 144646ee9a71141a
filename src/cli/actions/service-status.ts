import { FleetError } from "../../base/errors.ts";
import type { ServiceLine } from "../../base/ports/service-log.ts";
import { parseServiceLine } from "../../base/service-line.ts";
import { judgeServices } from "../../fleet/health/judge-services.ts";
import { toVerdictCode } from "../../fleet/health/model.ts";
import type { ServiceDetail } from "../../fleet/supervisor/service-detail.ts";
import { isFailing } from "../../fleet/supervisor/service-view.ts";
import { lastLines } from "../log-past.ts";
import { serviceSource } from "../log-sources.ts";
import { printJson, printText } from "../output/print-answer.ts";
import { renderServiceDetail } from "../output/service-detail-view.ts";
import { openStyle, terminalWidth } from "../output/terminal.ts";
import { detailToJson } from "../service-json.ts";
import { openSupervisor } from "../supervisor-client.ts";
import { orUnjudged } from "./health.ts";
import type { StatusArguments } from "./status.ts";

const LOG_LINES = 10;

/** Shows services in detail. Exit code 0; with `--check` 0 ok, 1 something failed or is not ready, 2 a crash loop. */
export async function serviceStatus(
  args: StatusArguments & { readonly name: readonly string[] },
): Promise<number> {
  if (args.watch) {
    throw new FleetError("USAGE", "Cannot take names and --watch: need one of them", {
      hint: "fleetd top --filter NAME watches services",
    });
  }
  const show = async (): Promise<number> => {
    const client = await openSupervisor(args);
    const answer = await client.ask((daemon) => daemon.services.detail({ names: args.name }));
    const logOf = ({ view }: ServiceDetail): readonly ServiceLine[] =>
      lastLines(
        serviceSource(client.settings.root, view.name, () => false),
        parseServiceLine,
        LOG_LINES,
      );
    if (args.json) {
      const services = answer.services.map((one) => detailToJson(one, logOf(one)));
      printJson("status-service", { containment: answer.containment, notes: answer.notes, services });
    } else {
      const { nowWallMs, containment, notes } = answer;
      const at = { nowWallMs, containment, notes, style: openStyle(args), width: terminalWidth() };
      for (const [position, one] of answer.services.entries()) {
        if (position > 0) printText("");
        printText(renderServiceDetail(one, logOf(one), at));
      }
    }
    return args.check ? judgeThese(answer.services) : 0;
  };
  return args.check ? await orUnjudged(args, show) : await show();
}

function judgeThese(services: readonly ServiceDetail[]): number {
  const failing = services.flatMap(({ view: { name, state } }) =>
    isFailing(state) ? [{ name, state, why: null }] : [],
  );
  return toVerdictCode(judgeServices({ total: services.length, running: 0, failing }).verdict);
}
