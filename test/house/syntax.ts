/** What the house rules ask of a source text, answered by TypeScript's own parser. */

import ts from 'typescript'

/** The tree of a file; nothing is resolved or checked. */
export function parse(file: string, text: string): ts.SourceFile {
  return ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true)
}

/** Every node of a tree, parents first. */
export function nodesOf(source: ts.SourceFile): ts.Node[] {
  const all: ts.Node[] = []
  const visit = (node: ts.Node): void => {
    all.push(node)
    ts.forEachChild(node, visit)
  }
  visit(source)
  return all
}

/** What a file imports: statically, by re-export, on demand, or for its types only. */
export function importsOf(file: string, text: string): string[] {
  return nodesOf(parse(file, text)).flatMap((node) => {
    if (ts.isImportDeclaration(node) || ts.isExportDeclaration(node)) {
      return textOf(node.moduleSpecifier)
    }
    if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      return textOf(node.arguments[0])
    }
    return ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)
      ? textOf(node.argument.literal)
      : []
  })
}

function textOf(node: ts.Node | undefined): string[] {
  return node !== undefined && ts.isStringLiteral(node) ? [node.text] : []
}

/** Every function with a body: where it begins, its lines and its parameters. */
export function functionsOf(file: string, text: string) {
  const source = parse(file, text)
  const lineOf = (at: number) => source.getLineAndCharacterOfPosition(at).line + 1
  return nodesOf(source).flatMap((node) => {
    if (!ts.isFunctionLike(node) || !('body' in node) || node.body === undefined) return []
    const line = lineOf(node.getStart())
    const length = lineOf(node.getEnd()) - line + 1
    return [{ line, length, parameters: node.parameters.length }]
  })
}

/** A node as a reserved word would read: `callee(`, `new Class()`, `a.b`, or an imported name. */
export function wordOf(node: ts.Node): string | undefined {
  if (ts.isCallExpression(node)) return `${node.expression.getText()}(`
  if (ts.isNewExpression(node)) {
    return `new ${node.expression.getText()}(${node.arguments?.length ? '…' : ''})`
  }
  if (ts.isImportSpecifier(node)) return (node.propertyName ?? node.name).text
  if (!ts.isPropertyAccessExpression(node)) return undefined
  const called = ts.isCallExpression(node.parent) && node.parent.expression === node
  return called ? undefined : node.getText()
}

/** The names that a statement declares. */
export function declaredBy(statement: ts.Statement): string[] {
  if (ts.isVariableStatement(statement)) {
    return statement.declarationList.declarations.map(({ name }) => name.getText())
  }
  const named =
    ts.isFunctionDeclaration(statement) ||
    ts.isClassDeclaration(statement) ||
    ts.isInterfaceDeclaration(statement) ||
    ts.isTypeAliasDeclaration(statement)
  return named && statement.name !== undefined ? [statement.name.text] : []
}
