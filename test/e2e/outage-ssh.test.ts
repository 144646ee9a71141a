// What every kind of outage does to a fleet whose remote is reached over ssh.
import { defineOutage } from "../helpers/outage-suite.ts";

defineOutage("ssh");
