// Reads one TypeScript file with the compiler's parser, so that text in strings and comments is never taken for code.
import ts from "typescript";

/** A module named by an import, export, dynamic import or type import; `line` counts from 1. */
export type Import = { readonly specifier: string; readonly line: number };

/** A file named in a comment; `line` counts from 1. */
export type Citation = { readonly name: string; readonly line: number };

/** What the architecture rules need to know about one source file. */
export type Source = {
  /** Relative to the project root, with `/`: `"src/base/errors.ts"`. */
  readonly path: string;
  readonly imports: readonly Import[];
  readonly citations: readonly Citation[];
  /** Lines that read `Math.random`. */
  readonly chanceLines: readonly number[];
  /** Whether the file exports a function or a class, so that there is behaviour to test. */
  readonly hasBehaviour: boolean;
};

/** Reads `text` as the TypeScript file `path`. */
export function readSource(path: string, text: string): Source {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.ESNext, true);
  const lineOf = (node: ts.Node): number => file.getLineAndCharacterOfPosition(node.getStart(file)).line + 1;
  const imports: Import[] = [];
  const chanceLines: number[] = [];
  const visit = (node: ts.Node): void => {
    const specifier = specifierOf(node);
    if (specifier !== undefined) imports.push({ specifier, line: lineOf(node) });
    if (isChance(node)) chanceLines.push(lineOf(node));
    ts.forEachChild(node, visit);
  };
  visit(file);
  const citations = findCitations(commentLines(file, text));
  return { path, imports, citations, chanceLines, hasBehaviour: exportsBehaviour(file) };
}

function specifierOf(node: ts.Node): string | undefined {
  if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) return literal(node.moduleSpecifier);
  if (ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)) return literal(node.argument.literal);
  if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
    return literal(node.arguments[0]);
  }
  return undefined;
}

const literal = (node: ts.Node | undefined): string | undefined =>
  node !== undefined && ts.isStringLiteralLike(node) ? node.text : undefined;

const isMath = (node: ts.Expression | undefined): boolean =>
  node !== undefined && ts.isIdentifier(node) && node.text === "Math";

function isChance(node: ts.Node): boolean {
  if (ts.isPropertyAccessExpression(node)) return isMath(node.expression) && node.name.text === "random";
  if (ts.isElementAccessExpression(node)) {
    return isMath(node.expression) && literal(node.argumentExpression) === "random";
  }
  if (!ts.isVariableDeclaration(node) || !isMath(node.initializer)) return false;
  if (!ts.isObjectBindingPattern(node.name)) return false;
  return node.name.elements.some((element) => (element.propertyName ?? element.name).getText() === "random");
}

function exportsBehaviour(file: ts.SourceFile): boolean {
  const behaving = new Set<string>();
  for (const statement of file.statements) {
    for (const name of behavingNames(statement)) {
      if (isExported(statement)) return true;
      behaving.add(name);
    }
  }
  return file.statements.some((statement) => exportedNames(statement).some((name) => behaving.has(name)));
}

const isExported = (statement: ts.Statement): boolean =>
  ts.canHaveModifiers(statement) &&
  (ts.getModifiers(statement) ?? []).some((modifier) => modifier.kind === ts.SyntaxKind.ExportKeyword);

function behavingNames(statement: ts.Statement): string[] {
  if (ts.isFunctionDeclaration(statement) || ts.isClassDeclaration(statement)) {
    return [statement.name?.text ?? "default"];
  }
  if (!ts.isVariableStatement(statement)) return [];
  const isFunction = (value: ts.Expression | undefined): boolean =>
    value !== undefined && (ts.isArrowFunction(value) || ts.isFunctionExpression(value));
  return statement.declarationList.declarations
    .filter((declaration) => isFunction(declaration.initializer))
    .map((declaration) => declaration.name.getText());
}

function exportedNames(statement: ts.Statement): string[] {
  if (!ts.isExportDeclaration(statement) || statement.moduleSpecifier !== undefined) return [];
  if (statement.exportClause === undefined || !ts.isNamedExports(statement.exportClause)) return [];
  return statement.exportClause.elements.map((element) => (element.propertyName ?? element.name).text);
}

type Line = { readonly text: string; readonly line: number };

function commentLines(file: ts.SourceFile, text: string): Line[] {
  const comments = new Map<number, ts.CommentRange>();
  const visit = (node: ts.Node): void => {
    const leading = ts.getLeadingCommentRanges(text, node.pos) ?? [];
    const trailing = ts.getTrailingCommentRanges(text, node.end) ?? [];
    for (const comment of [...leading, ...trailing]) comments.set(comment.pos, comment);
    for (const child of node.getChildren(file)) if (child.kind !== ts.SyntaxKind.JSDoc) visit(child);
  };
  visit(file);
  return [...comments.values()].flatMap((comment) => {
    const first = file.getLineAndCharacterOfPosition(comment.pos).line + 1;
    const lines = text.slice(comment.pos, comment.end).split("\n");
    return lines.map((line, index) => ({ text: line, line: first + index }));
  });
}

/** A path or name of a file of ours, unless it is a placeholder (`<verb>.ts`, `*.ts`) or part of an address. */
const CITED =
  /(?<![\w*<>{}$…@:/.-])(?:[\w-][\w.-]*\/|\.\w[\w.-]*\/)*[a-z][\w.-]*\.(?:ts|sh|ps1|jsonc|md)(?![\w(-])/gi;

/** The files named in `lines` of prose. Names of packages' own files (`node_modules/…`) are left out. */
export function findCitations(lines: readonly Line[]): Citation[] {
  return lines.flatMap(({ text, line }) =>
    [...text.matchAll(CITED)]
      .map(([name]) => ({ name, line }))
      .filter(({ name }) => !name.startsWith("node_modules/")),
  );
}
