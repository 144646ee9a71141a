/** A Windows library of one function that is another library's: no code, only a table that names the other one. */

const HEADERS_BYTES = 0x2_00;
const SECTION_AT = 0x10_00;
const SECTION_BYTES = 0x2_00;
const PE_AT = 0x40;
const FILE_HEADER_BYTES = 20;
const OPTIONAL_HEADER_BYTES = 240;
const EXPORTS_BYTES = 40;

const MACHINE_X64 = 0x86_64;
/** An executable image, aware of large addresses, a library. */
const FILE_FLAGS = 0x20_22;
const PE32_PLUS = 0x2_0b;
/** May be loaded anywhere, and none of its data is run. */
const LIBRARY_FLAGS = 0x1_60;
const CONSOLE = 3;
const READABLE_DATA = 0x40_00_00_40;

/** The file `library` whose `name` is `target`, such as "advapi32.SystemFunction036". For x64. */
export function forwardingLibrary(library: string, name: string, target: string): Uint8Array {
  const bytes = new Uint8Array(HEADERS_BYTES + SECTION_BYTES);
  const view = new DataView(bytes.buffer);
  const exportsBytes = writeExports(bytes.subarray(HEADERS_BYTES), { library, name, target });
  bytes.set([0x4d, 0x5a]);
  view.setUint32(0x3c, PE_AT, true);
  bytes.set(new TextEncoder().encode("PE\0\0"), PE_AT);
  const file = PE_AT + 4;
  view.setUint16(file, MACHINE_X64, true);
  view.setUint16(file + 2, 1, true);
  view.setUint16(file + 16, OPTIONAL_HEADER_BYTES, true);
  view.setUint16(file + 18, FILE_FLAGS, true);
  const optional = file + FILE_HEADER_BYTES;
  writeOptionalHeader(new DataView(bytes.buffer, optional, OPTIONAL_HEADER_BYTES), exportsBytes);
  const section = optional + OPTIONAL_HEADER_BYTES;
  bytes.set(new TextEncoder().encode(".edata"), section);
  view.setUint32(section + 8, exportsBytes, true);
  view.setUint32(section + 12, SECTION_AT, true);
  view.setUint32(section + 16, SECTION_BYTES, true);
  view.setUint32(section + 20, HEADERS_BYTES, true);
  view.setUint32(section + 36, READABLE_DATA, true);
  return bytes;
}

function writeOptionalHeader(view: DataView, exportsBytes: number): void {
  view.setUint16(0, PE32_PLUS, true);
  view.setUint32(8, SECTION_BYTES, true);
  view.setUint32(20, SECTION_AT, true);
  view.setBigUint64(24, 0x1_80_00_00_00n, true);
  view.setUint32(32, SECTION_AT, true);
  view.setUint32(36, HEADERS_BYTES, true);
  // Windows 6.0, as system and as subsystem.
  view.setUint16(40, 6, true);
  view.setUint16(48, 6, true);
  view.setUint32(56, 2 * SECTION_AT, true);
  view.setUint32(60, HEADERS_BYTES, true);
  view.setUint16(68, CONSOLE, true);
  view.setUint16(70, LIBRARY_FLAGS, true);
  view.setUint32(108, 16, true);
  view.setUint32(112, SECTION_AT, true);
  view.setUint32(116, exportsBytes, true);
}

/** The table of one name, and behind it the texts it points to; answers where they end. */
function writeExports(
  section: Uint8Array,
  texts: { readonly library: string; readonly name: string; readonly target: string },
): number {
  const view = new DataView(section.buffer, section.byteOffset);
  let end = EXPORTS_BYTES + 4 + 4 + 4;
  const place = (text: string): number => {
    const at = end;
    section.set(new TextEncoder().encode(text), at);
    end += text.length + 1;
    return SECTION_AT + at;
  };
  view.setUint32(12, place(texts.library), true);
  view.setUint32(16, 1, true);
  view.setUint32(20, 1, true);
  view.setUint32(24, 1, true);
  for (const [index, at] of [28, 32, 36].entries()) {
    view.setUint32(at, SECTION_AT + EXPORTS_BYTES + 4 * index, true);
  }
  // A function whose address lies within this table is a text: whose function it is.
  view.setUint32(EXPORTS_BYTES, place(texts.target), true);
  view.setUint32(EXPORTS_BYTES + 4, place(texts.name), true);
  return end;
}
