/** A handler that takes one press once: not the second click of a double click, and not a key that is held down. */
export function onPress(run: () => void) {
  return {
    onClick: (event: MouseEvent) => {
      if (event.detail <= 1) run();
    },
    onKeyDown: (event: KeyboardEvent) => {
      if (event.repeat && (event.key === "Enter" || event.key === " ")) event.preventDefault();
    },
  };
}
