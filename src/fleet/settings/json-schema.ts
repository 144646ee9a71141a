import { toJsonSchema } from "@valibot/to-json-schema";
import { DEFAULT_SETTINGS } from "./defaults.ts";
import { DESCRIPTIONS } from "./descriptions.ts";
import { fileSchema, kindOf, TRUST_MODES } from "./model.ts";
import { renderValue } from "./render-value.ts";
import { serviceTable } from "./services.ts";
import { SETTING_PATHS, type SettingPath, valueAt } from "./setting-paths.ts";

type Node = Record<string, unknown>;

/** The schema of the configuration file for editors: what may stand where, what it is for, and its default. */
export function settingsJsonSchema(): Record<string, unknown> {
  // What only code can check (a duration's text, a label's name) is left to `config check`.
  const schema: Node = { ...toJsonSchema(fileSchema, { typeMode: "input", errorMode: "ignore" }) };
  for (const path of SETTING_PATHS) describe(nodeAt(schema, path), path);
  allowShortForm(schema);
  Object.assign(nodeAt(schema, ["services"]), { type: "object", additionalProperties: serviceNode() });
  return { ...schema, title: "fleetd.yaml", description: "The configuration of a fleetd server" };
}

/** One service. What may be said short is left open: an editor that knows only the long form would refuse it. */
function serviceNode(): Node {
  const { $schema: _version, ...node } = toJsonSchema(serviceTable, {
    typeMode: "input",
    errorMode: "ignore",
  });
  return node;
}

/** `trust: pinned` beside the table. */
function allowShortForm(schema: Node): void {
  const pattern = `^(${TRUST_MODES.join("|")})$`;
  Object.assign(nodeAt(schema, ["trust"]), { type: ["object", "string"], pattern });
}

function describe(node: Node, path: SettingPath): void {
  const key = path.join(".");
  const description = DESCRIPTIONS[key];
  if (description !== undefined) node["description"] = description;
  const standard = valueAt(DEFAULT_SETTINGS, path);
  const kind = kindOf(key);
  if (standard !== undefined) {
    node["default"] = kind === "duration" || kind === "size" ? renderValue(standard, kind) : standard;
  }
  if (key === "labels" || key === "trust.keys")
    Object.assign(node, { type: "object", additionalProperties: { type: "string" } });
}

function nodeAt(schema: Node, path: SettingPath): Node {
  let node = schema;
  for (const key of path) {
    const properties = node["properties"] as Readonly<Record<string, Node>> | undefined;
    const inner = properties?.[key];
    if (inner === undefined) throw new Error(`Broken invariant: no "${path.join(".")}" in the schema`);
    node = inner;
  }
  return node;
}
