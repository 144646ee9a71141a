// What every kind of outage does to a fleet whose remote is reached over http.
import { defineOutage } from "../helpers/outage-suite.ts";

defineOutage("http");
