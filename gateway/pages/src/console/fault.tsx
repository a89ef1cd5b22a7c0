/** Why something did not happen; nothing while there is no reason. */
export function Fault({ text }: { text: string }) {
  return text === "" ? null : <p class="banner" role="alert">{text}</p>;
}
