/** Variables that fleetd itself sets for a service, or that would make something else of a program built like fleetd. */
const RESERVED =
  /^(?:BUN_.*|FLEETD_SERVICE.*|FLEETD_INSTANCE|LISTEN_.*|NOTIFY_SOCKET|WATCHDOG_(?:USEC|PID))$/i;

/** Whether nobody but fleetd gives this variable to a service. */
export const isReservedVariable = (name: string): boolean => RESERVED.test(name);

/** What is wrong with the name of a variable for a service; null when nothing is. */
export function variableProblem(name: string): string | null {
  if (!/^[A-Za-z_][A-Za-z0-9_]{0,254}$/.test(name)) return 'need a name of letters, digits and "_"';
  return isReservedVariable(name) ? `the variable "${name}" is reserved for fleetd` : null;
}
