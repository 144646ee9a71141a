/** The variable that every process has which fleetd started as a service, and whatever came of it: the token of its start. */
export const SERVICE_RUN_VARIABLE = "FLEETD_SERVICE_RUN";
