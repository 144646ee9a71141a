/** Names that mean something else: everything, or a device on Windows. */
const RESERVED_NAMES = /^(?:all|con|prn|aux|nul|com\d|lpt\d)$/;

/** What is wrong with the name of a service or of a group of them; null when nothing is. */
export function serviceNameProblem(name: string): string | null {
  if (!/^[a-z0-9][a-z0-9_-]{0,62}$/.test(name)) {
    return 'need a name of a-z, 0-9, "-" and "_", at most 63 characters';
  }
  return RESERVED_NAMES.test(name) ? `the name "${name}" is reserved` : null;
}
