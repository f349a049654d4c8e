/** Describes the message families: every exported message type, with its comment, its fields and their comments. */

import path from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const HEAD = `# Messages

Generated from \`src/bus/messages\` by \`npm run docs\`; do not edit.

Every message is an object with a \`type\` of the form \`family.verb\`. The bus wraps it in an envelope: sequence number,
virtual time (ns), sender, receiver (none for a fact) and cause.
`;

interface MessageDoc {
  readonly type: string;
  /** Name of the TypeScript type. */
  readonly name: string;
  readonly comment: string;
  readonly fields: readonly { readonly name: string; readonly type: string; readonly comment: string }[];
}

/** @param index the module that all families are exported from. */
export function describeMessages(index: URL): string {
  const file = fileURLToPath(index);
  const program = ts.createProgram([file], {
    target: ts.ScriptTarget.ES2023,
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    allowImportingTsExtensions: true,
    noEmit: true,
    strict: true,
    types: [],
  });
  const checker = program.getTypeChecker();
  const folder = path.dirname(file);
  const families = program
    .getSourceFiles()
    .filter((source) => path.dirname(source.fileName) === folder && source.fileName !== file)
    .map((source) => ({ name: path.basename(source.fileName, ".ts"), messages: messagesOf(source, checker) }))
    .filter(({ messages }) => messages.length > 0)
    .sort((a, b) => (a.name < b.name ? -1 : 1));
  const contents = families.map(({ name }) => `- [${name}](#${name})`).join("\n");
  const sections = families.map(({ name, messages }) =>
    [`## ${name}`, ...messages.map(describeMessage)].join("\n\n"),
  );
  return `${[HEAD.trimEnd(), contents, ...sections].join("\n\n").trimEnd()}\n`;
}

function messagesOf(source: ts.SourceFile, checker: ts.TypeChecker): MessageDoc[] {
  return source.statements.flatMap((statement) => {
    if (!ts.isInterfaceDeclaration(statement) && !ts.isTypeAliasDeclaration(statement)) return [];
    const isExported = statement.modifiers?.some((modifier) => modifier.kind === ts.SyntaxKind.ExportKeyword);
    const isUnion = ts.isTypeAliasDeclaration(statement) && ts.isUnionTypeNode(statement.type);
    if (!isExported || isUnion) return [];
    const message = checker.getTypeAtLocation(statement.name);
    const discriminant = message.getProperty("type");
    if (discriminant === undefined) return [];
    const type = checker.getTypeOfSymbol(discriminant);
    if (!type.isStringLiteral()) return [];
    const symbol = checker.getSymbolAtLocation(statement.name)!;
    return [
      {
        type: type.value,
        name: statement.name.text,
        comment: commentOf(symbol, checker),
        fields: message
          .getProperties()
          .filter((property) => property.name !== "type")
          .map((property) => ({
            name: property.flags & ts.SymbolFlags.Optional ? `${property.name}?` : property.name,
            type: checker.typeToString(
              checker.getTypeOfSymbol(property),
              undefined,
              ts.TypeFormatFlags.NoTruncation | ts.TypeFormatFlags.UseAliasDefinedOutsideCurrentScope,
            ),
            comment: commentOf(property, checker),
          })),
      },
    ];
  });
}

function commentOf(symbol: ts.Symbol, checker: ts.TypeChecker): string {
  return ts.displayPartsToString(symbol.getDocumentationComment(checker)).replaceAll(/\s*\n\s*/g, " ");
}

function describeMessage({ type, name, comment, fields }: MessageDoc): string {
  const cell = (text: string) => text.replaceAll("|", "\\|");
  const parts = [`### \`${type}\` (${name})`];
  if (comment !== "") parts.push(comment);
  if (fields.length > 0)
    parts.push(
      [
        "| field | type | |",
        "| --- | --- | --- |",
        ...fields.map((field) => `| ${field.name} | \`${cell(field.type)}\` | ${cell(field.comment)} |`),
      ].join("\n"),
    );
  return parts.join("\n\n");
}
