/** One fenced block of a Markdown file. */
export interface MarkdownBlock {
  /** The first word after the fence, such as `"sh"`; empty without one. */
  readonly language: string;
  readonly text: string;
  /** Line of its first line of text, from 1. */
  readonly line: number;
}

/** Every fenced block of `markdown`, in order. A fence ends with one of its own kind that is at least as long. */
export function parseBlocks(markdown: string): MarkdownBlock[] {
  const blocks: MarkdownBlock[] = [];
  let open: (Fence & { readonly line: number; readonly lines: string[] }) | null = null;
  for (const [index, line] of markdown.split(/\r?\n/).entries()) {
    const fence = parseFence(line);
    if (open === null) {
      if (fence !== null) open = { ...fence, line: index + 2, lines: [] };
    } else if (fence?.marks.startsWith(open.marks) === true && fence.language === "") {
      blocks.push({ language: open.language, text: open.lines.join("\n"), line: open.line });
      open = null;
    } else {
      open.lines.push(line.startsWith(open.indent) ? line.slice(open.indent.length) : line);
    }
  }
  if (open !== null) throw new Error(`The block of line ${open.line} has no end`);
  return blocks;
}

type Fence = { readonly indent: string; readonly marks: string; readonly language: string };

function parseFence(line: string): Fence | null {
  const [, indent, marks, language] = /^( {0,3})(`{3,}|~{3,})\s*(\S*).*$/.exec(line) ?? [];
  return marks === undefined ? null : { indent: indent ?? "", marks, language: language ?? "" };
}

/** The blocks that a reader is meant to type. */
export const commandBlocks = (markdown: string): MarkdownBlock[] =>
  parseBlocks(markdown).filter(({ language }) => language === "sh");

/** Whether a block installs the executable: then there is nothing to do where it was just built. */
export const isInstallation = ({ text }: MarkdownBlock): boolean =>
  /^\s*(?:sudo\s+)?(?:curl\b.*|\.\/)install\.(?:sh|ps1)\b/m.test(text);
