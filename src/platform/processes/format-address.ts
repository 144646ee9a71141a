/** The four bytes of an IPv4 address as people write it. */
export const formatIpv4 = (bytes: readonly number[]): string => bytes.join(".");

/** The sixteen bytes of an IPv6 address as RFC 5952 wants it: the longest run of zeros left out, IPv4 inside shown as such. */
export function formatIpv6(bytes: readonly number[]): string {
  const groups = Array.from({ length: 8 }, (_, at) => ((bytes[at * 2] ?? 0) << 8) | (bytes[at * 2 + 1] ?? 0));
  if (groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff) {
    return `::ffff:${formatIpv4(bytes.slice(12))}`;
  }
  const zeros = longestZeros(groups);
  const words = groups.map((group) => group.toString(16));
  if (zeros.length < 2) return words.join(":");
  return `${words.slice(0, zeros.from).join(":")}::${words.slice(zeros.from + zeros.length).join(":")}`;
}

function longestZeros(groups: readonly number[]): { readonly from: number; readonly length: number } {
  let longest = { from: 0, length: 0 };
  for (let from = 0; from < groups.length; from += 1) {
    const next = groups.findIndex((group, at) => at >= from && group !== 0);
    const length = (next === -1 ? groups.length : next) - from;
    if (length > longest.length) longest = { from, length };
  }
  return longest;
}
