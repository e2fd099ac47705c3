/** The commands of docs/openclaw.md: fenced blocks whose info string says what they are for, ```` ```sh try=init ````. Pure. */

export function blockOf(text: string, name: string): string {
  const block = new RegExp(`^\`\`\`sh try=${name}\\n([\\s\\S]*?)^\`\`\`$`, 'm').exec(text);
  if (block === null) throw new Error(`there is no block "${name}"`);
  return block[1]!;
}

export function commandsOf(text: string, name: string): string[] {
  return blockOf(text, name)
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
}

/** The commands below a comment, up to the next empty line or comment. */
export function linesAfter(text: string, comment: string): string[] {
  const lines = text.split('\n');
  const from = lines.indexOf(comment);
  if (from === -1) throw new Error(`nothing is printed below "${comment}"`);
  const rest = lines.slice(from + 1);
  const end = rest.findIndex((line) => line === '' || line.startsWith('#'));
  return end === -1 ? rest : rest.slice(0, end);
}
