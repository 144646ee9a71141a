/**
 * The rows of a SQLite file, read page by page without SQLite (https://www.sqlite.org/fileformat2.html): what can be read
 * of a database that SQLite gives up. No tree is followed; every leaf speaks for itself, so one damaged page takes along
 * nothing but its own rows.
 */

/** A value of a row. Integers beyond 2^53 do not occur in ours. */
export type CellValue = string | number | Uint8Array | null;

/** One row of some table or index. `rowid`: of a leaf of a table; null in an index, and in a table without. */
export interface Cell {
  readonly rowid: number | null;
  readonly values: readonly CellValue[];
}

/** What was found in a file. `damagedPages`: numbers of leaves with a cell that cannot be read. */
export interface FoundCells {
  readonly cells: readonly Cell[];
  readonly damagedPages: ReadonlySet<number>;
  /** Whether pages that nothing uses are known: they hold rows of before. */
  readonly isFreeKnown: boolean;
}

const TABLE_LEAF = 0x0d;
const INDEX_LEAF = 0x0a;
const INDEX_INTERIOR = 0x02;
const PAGE_BYTES_USUAL = 4096;
const COLUMNS_MAX = 100;
/** No value of ours is larger than a batch and its objects. */
const PAYLOAD_BYTES_MAX = 64 * 1024 * 1024;

/** The pages of a database file, 1 first. `newer`: what a WAL has of some of them. */
export function pagesOf(file: Uint8Array, newer: ReadonlyMap<number, Uint8Array>): Uint8Array[] {
  const size = pageBytesOf(file, newer);
  const pages: Uint8Array[] = [];
  const count = Math.max(Math.ceil(file.length / size), ...newer.keys(), 0);
  for (let number = 1; number <= count; number += 1) {
    pages.push(newer.get(number) ?? file.subarray((number - 1) * size, number * size));
  }
  return pages;
}

function pageBytesOf(file: Uint8Array, newer: ReadonlyMap<number, Uint8Array>): number {
  for (const page of newer.values()) return page.length;
  if (file.length < 18) return PAGE_BYTES_USUAL;
  const stated = ((file[16] ?? 0) << 8) | (file[17] ?? 0);
  const bytes = stated === 1 ? 65_536 : stated;
  return bytes >= 512 && (bytes & (bytes - 1)) === 0 ? bytes : PAGE_BYTES_USUAL;
}

/**
 * Every row in every leaf of `pages`, or of those numbered in `only`. What is on the list of free pages is left out where
 * that list can be read.
 */
export function readCells(pages: readonly Uint8Array[], only?: ReadonlySet<number>): FoundCells {
  const free = freePages(pages);
  const cells: Cell[] = [];
  const damagedPages = new Set<number>();
  for (const [position, page] of pages.entries()) {
    if (free?.has(position + 1) === true || only?.has(position + 1) === false) continue;
    const found = readLeaf(pages, page, position === 0 ? 100 : 0);
    if (found === null) continue;
    cells.push(...found.cells);
    if (found.isDamaged) damagedPages.add(position + 1);
  }
  return { cells, damagedPages, isFreeKnown: free !== null };
}

/** The pages on the list of those that nothing uses, null where that list cannot be read. */
function freePages(pages: readonly Uint8Array[]): Set<number> | null {
  const free = new Set<number>();
  const [first] = pages;
  if (first === undefined || first.length < 100) return null;
  if (new TextDecoder().decode(first.subarray(0, 15)) !== "SQLite format 3") return null;
  let trunk = viewOf(first).getUint32(32);
  while (trunk > 0 && trunk <= pages.length && !free.has(trunk)) {
    free.add(trunk);
    const page = pages[trunk - 1];
    if (page === undefined || page.length < 8) break;
    const view = viewOf(page);
    const count = Math.min(view.getUint32(4), Math.floor(page.length / 4) - 2);
    for (let at = 0; at < count; at += 1) free.add(view.getUint32(8 + at * 4));
    trunk = view.getUint32(0);
  }
  return free.size === viewOf(first).getUint32(36) ? free : null;
}

const viewOf = (page: Uint8Array): DataView => new DataView(page.buffer, page.byteOffset, page.byteLength);

function readLeaf(
  pages: readonly Uint8Array[],
  page: Uint8Array,
  start: number,
): { readonly cells: readonly Cell[]; readonly isDamaged: boolean } | null {
  const kind = page[start];
  // A row of a table without rowids may also stand between two pages of the tree.
  if (kind !== TABLE_LEAF && kind !== INDEX_LEAF && kind !== INDEX_INTERIOR) return null;
  const view = viewOf(page);
  const header = kind === INDEX_INTERIOR ? 12 : 8;
  if (page.length < start + header) return null;
  const count = view.getUint16(start + 3);
  if (start + header + count * 2 > page.length) return null;
  const cells: Cell[] = [];
  let isDamaged = false;
  for (let at = 0; at < count; at += 1) {
    const place = view.getUint16(start + header + at * 2) + (kind === INDEX_INTERIOR ? 4 : 0);
    const cell = place < page.length ? readCell(pages, page, { place, isTable: kind === TABLE_LEAF }) : null;
    if (cell === null) isDamaged = true;
    else cells.push(cell);
  }
  return { cells, isDamaged };
}

function readCell(
  pages: readonly Uint8Array[],
  page: Uint8Array,
  { place, isTable }: { readonly place: number; readonly isTable: boolean },
): Cell | null {
  const size = readVarint(page, place);
  if (size === null || size.value > PAYLOAD_BYTES_MAX || size.value < 1) return null;
  const rowid = isTable ? readVarint(page, size.next) : null;
  if (isTable && rowid === null) return null;
  const payload = readPayload(pages, page, { at: rowid?.next ?? size.next, bytes: size.value, isTable });
  const values = payload === null ? null : readRecord(payload);
  return values === null ? null : { rowid: rowid?.value ?? null, values };
}

interface Varint {
  readonly value: number;
  readonly next: number;
}

function readVarint(bytes: Uint8Array, at: number): Varint | null {
  let value = 0n;
  for (let count = 0; count < 9; count += 1) {
    const byte = bytes[at + count];
    if (byte === undefined) return null;
    if (count === 8) value = (value << 8n) | BigInt(byte);
    else value = (value << 7n) | BigInt(byte & 0x7f);
    if (count === 8 || byte < 0x80) return { value: Number(BigInt.asIntN(64, value)), next: at + count + 1 };
  }
  return null;
}

/** The payload of a cell: what stands in its page, and the chain of overflow pages with the rest. */
function readPayload(
  pages: readonly Uint8Array[],
  page: Uint8Array,
  { at, bytes, isTable }: { readonly at: number; readonly bytes: number; readonly isTable: boolean },
): Uint8Array | null {
  const usable = page.length;
  const most = isTable ? usable - 35 : Math.floor(((usable - 12) * 64) / 255) - 23;
  if (bytes <= most) return at + bytes <= page.length ? page.subarray(at, at + bytes) : null;
  const least = Math.floor(((usable - 12) * 32) / 255) - 23;
  const fitting = least + ((bytes - least) % (usable - 4));
  const local = fitting <= most ? fitting : least;
  if (at + local + 4 > page.length) return null;
  const payload = new Uint8Array(bytes);
  payload.set(page.subarray(at, at + local));
  let filled = local;
  let next = viewOf(page).getUint32(at + local);
  while (filled < bytes) {
    const overflow = pages[next - 1];
    if (overflow === undefined || overflow.length < 5) return null;
    const part = overflow.subarray(4, Math.min(overflow.length, 4 + bytes - filled));
    payload.set(part, filled);
    filled += part.length;
    next = viewOf(overflow).getUint32(0);
  }
  return payload;
}

const decoder = new TextDecoder("utf-8", { fatal: true });

function readRecord(payload: Uint8Array): CellValue[] | null {
  const header = readVarint(payload, 0);
  if (header === null || header.value < 1 || header.value > payload.length) return null;
  const types: number[] = [];
  for (let at = header.next; at < header.value; ) {
    const type = readVarint(payload, at);
    if (type === null || type.value < 0 || types.length >= COLUMNS_MAX) return null;
    types.push(type.value);
    at = type.next;
  }
  const values: CellValue[] = [];
  let at = header.value;
  for (const type of types) {
    const bytes = sizeOf(type);
    if (bytes === null || at + bytes > payload.length) return null;
    const value = readValue(payload.subarray(at, at + bytes), type);
    if (value === undefined) return null;
    values.push(value);
    at += bytes;
  }
  // A row fills its payload; what does not is no row.
  return at === payload.length ? values : null;
}

const INTEGER_BYTES = [0, 1, 2, 3, 4, 6, 8, 8, 0, 0];

function sizeOf(type: number): number | null {
  if (type < 10) return INTEGER_BYTES[type] ?? null;
  return type < 12 ? null : Math.floor((type - 12) / 2);
}

/** `undefined` for text that is none. */
function readValue(bytes: Uint8Array, type: number): CellValue | undefined {
  if (type === 0) return null;
  if (type === 8 || type === 9) return type - 8;
  if (type === 7) return viewOf(bytes).getFloat64(0);
  if (type < 7) {
    let value = 0n;
    for (const byte of bytes) value = (value << 8n) | BigInt(byte);
    return Number(BigInt.asIntN(bytes.length * 8, value));
  }
  if (type % 2 === 0) return bytes.slice();
  try {
    return decoder.decode(bytes);
  } catch {
    return undefined;
  }
}
