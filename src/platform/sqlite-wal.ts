/**
 * The WAL file of a SQLite database, read without SQLite (https://www.sqlite.org/fileformat2.html#walformat): SQLite takes
 * of it what comes before the first frame that is not whole and says nothing of the rest.
 */

const HEADER_BYTES = 32;
const FRAME_HEADER_BYTES = 24;

/** One page in a WAL. `isTrusted`: SQLite would take it, too. */
export interface WalFrame {
  readonly page: number;
  readonly content: Uint8Array;
  readonly isTrusted: boolean;
}

/** What a WAL holds. */
export interface WalContent {
  /** The frames of its last generation in order. */
  readonly frames: readonly WalFrame[];
  /** What is wrong with it; null where nothing is. */
  readonly damage: string | null;
  /**
   * What is wrong is that a part was never written, as a power cut leaves it: the system brings what nobody flushed yet
   * to the disk in any order. What was flushed has no such hole.
   */
  readonly isHole: boolean;
}

/** Reads a WAL without SQLite. */
export function readWal(wal: Uint8Array): WalContent {
  if (wal.length <= HEADER_BYTES) return { frames: [], damage: null, isHole: false };
  const view = new DataView(wal.buffer, wal.byteOffset, wal.byteLength);
  const sums = createSums(view);
  const isHeaderWhole = sums?.take(0, 24) === true && sums.matches(24);
  const pageBytes = isHeaderWhole ? view.getUint32(8) : guessPageBytes(view);
  if (pageBytes === null) return { frames: [], damage: DAMAGED, isHole: false };
  const salt = isHeaderWhole ? view.getBigUint64(16) : view.getBigUint64(HEADER_BYTES + 8);
  const frames: WalFrame[] = [];
  let isTrusted = isHeaderWhole;
  let isDamaged = !isHeaderWhole;
  let waiting: WalFrame[] = [];
  for (
    let at = HEADER_BYTES;
    at + FRAME_HEADER_BYTES + pageBytes <= wal.length;
    at += FRAME_HEADER_BYTES + pageBytes
  ) {
    if (view.getBigUint64(at + 8) !== salt) {
      // What an earlier generation left: the end, unless something of this one follows.
      isTrusted = false;
      continue;
    }
    const whole =
      sums?.take(at, 8) === true && sums.take(at + FRAME_HEADER_BYTES, pageBytes) && sums.matches(at + 16);
    isTrusted = isTrusted && whole;
    const content = wal.subarray(at + FRAME_HEADER_BYTES, at + FRAME_HEADER_BYTES + pageBytes);
    waiting.push({ page: view.getUint32(at), content, isTrusted });
    const isCommit = view.getUint32(at + 4) !== 0;
    if (!isCommit) continue;
    if (!isTrusted) isDamaged = true;
    frames.push(...waiting);
    waiting = [];
  }
  if (!isDamaged) return { frames, damage: null, isHole: false };
  return { frames, damage: DAMAGED, isHole: endsInHole(wal, { frames, pageBytes, isHeaderWhole }) };
}

const DAMAGED = "its WAL file is damaged";

/**
 * What is wrong with a WAL, null where nothing is: a last transaction that was cut off by a crash is as it should be, and
 * so are holes where the power may have been cut since it was written.
 */
export function findWalDamage(wal: Uint8Array, mayHaveHoles: boolean): string | null {
  const { damage, isHole } = readWal(wal);
  return mayHaveHoles && isHole ? null : damage;
}

/** The pieces in which a system writes a file at least. */
const BLOCK_BYTES = 4096;

/**
 * Whether a block under the first frame that is not trusted was never written in this generation: it is all zeros, or a
 * frame that begins in it bears the salt of another one. The header is flushed before anything else.
 */
function endsInHole(
  wal: Uint8Array,
  found: {
    readonly frames: readonly WalFrame[];
    readonly pageBytes: number;
    readonly isHeaderWhole: boolean;
  },
): boolean {
  const { frames, pageBytes, isHeaderWhole } = found;
  if (!isHeaderWhole) return false;
  const frameBytes = FRAME_HEADER_BYTES + pageBytes;
  const at = HEADER_BYTES + frames.filter((frame) => frame.isTrusted).length * frameBytes;
  const salt = wal.subarray(16, 24);
  const isOfAnother = (frame: number): boolean =>
    frame + FRAME_HEADER_BYTES <= wal.length &&
    Buffer.compare(wal.subarray(frame + 8, frame + 16), salt) !== 0;
  for (let block = at - (at % BLOCK_BYTES); block < at + frameBytes; block += BLOCK_BYTES) {
    const content = wal.subarray(block, block + BLOCK_BYTES);
    if (content.every((byte) => byte === 0)) return true;
    const first = HEADER_BYTES + Math.ceil(Math.max(0, block - HEADER_BYTES) / frameBytes) * frameBytes;
    for (let frame = first; frame < block + BLOCK_BYTES; frame += frameBytes) {
      if (isOfAnother(frame)) return true;
    }
  }
  return false;
}

/** The running checksum of a WAL; null where its header does not say which. */
function createSums(
  view: DataView,
): { take: (at: number, bytes: number) => true; matches: (at: number) => boolean } | null {
  const magic = view.getUint32(0);
  if (magic !== 0x377f0682 && magic !== 0x377f0683) return null;
  const isLittle = magic === 0x377f0682;
  let [one, two] = [0, 0];
  return {
    take(at, bytes) {
      for (let place = at; place < at + bytes; place += 8) {
        one = (one + view.getUint32(place, isLittle) + two) >>> 0;
        two = (two + view.getUint32(place + 4, isLittle) + one) >>> 0;
      }
      return true;
    },
    matches: (at) => view.getUint32(at) === one && view.getUint32(at + 4) === two,
  };
}

/** Without a header: the size at which the second frame bears the salt of the first. */
function guessPageBytes(view: DataView): number | null {
  for (let bytes = 512; bytes <= 65_536; bytes *= 2) {
    const next = HEADER_BYTES + FRAME_HEADER_BYTES + bytes;
    if (next + FRAME_HEADER_BYTES > view.byteLength) continue;
    const salt = view.getBigUint64(HEADER_BYTES + 8);
    if (salt !== 0n && view.getBigUint64(next + 8) === salt) return bytes;
  }
  return null;
}
