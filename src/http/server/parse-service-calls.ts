import * as v from "valibot";
import type { Result } from "../../base/result.ts";
import {
  type ActCall,
  type AdoptCall,
  type DetailCall,
  type GiveCall,
  type ReplaceCall,
  SERVICE_VERBS,
} from "../service-protocol.ts";
import { parse } from "./parse-calls.ts";

const NAMES_MAX = 10_000;
const names = v.pipe(v.array(v.string()), v.maxLength(NAMES_MAX));

const actSchema: v.GenericSchema<unknown, ActCall> = v.object({
  verb: v.picklist(SERVICE_VERBS),
  names,
  signal: v.optional(v.pipe(v.string(), v.regex(/^SIG[A-Z0-9+-]{1,12}$/, "need the name of a signal"))),
  dryRun: v.optional(v.boolean()),
});

const giveSchema: v.GenericSchema<unknown, GiveCall> = v.object({
  definitions: v.pipe(
    // What a definition may be is asked where definitions are read.
    v.array(v.object({ name: v.string(), definition: v.unknown() })),
    v.minLength(1),
    v.maxLength(NAMES_MAX),
  ),
  replace: v.boolean(),
});

const adoptSchema: v.GenericSchema<unknown, AdoptCall> = v.object({
  name: v.string(),
  process: v.object({ pid: v.pipe(v.number(), v.safeInteger(), v.minValue(1)), start: v.string() }),
});

const detailSchema: v.GenericSchema<unknown, DetailCall> = v.object({ names });

const replaceSchema: v.GenericSchema<unknown, ReplaceCall> = v.object({ names });

/** The body of an `act` as it came over the socket. */
export const parseActCall = (value: unknown): Result<ActCall> => parse(actSchema, value);
/** The body of a `give`. */
export const parseGiveCall = (value: unknown): Result<GiveCall> => parse(giveSchema, value);
/** The body of an `adopt`. */
export const parseAdoptCall = (value: unknown): Result<AdoptCall> => parse(adoptSchema, value);
/** The body of a `detail`. */
export const parseDetailCall = (value: unknown): Result<DetailCall> => parse(detailSchema, value);
/** The body of a `replace`. */
export const parseReplaceCall = (value: unknown): Result<ReplaceCall> => parse(replaceSchema, value);
