/** What went wrong, said aloud; nothing where nothing did. */
export function Problem({ text }: { text: string }) {
  return text === '' ? null : (
    <p role="alert" class="problem">
      {text}
    </p>
  );
}
