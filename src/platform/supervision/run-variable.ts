/** The variable that tells the processes of one start from all others. */
export const RUN_VARIABLE = "FLEETD_SERVICE_RUN";
