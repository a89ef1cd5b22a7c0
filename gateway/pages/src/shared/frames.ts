/** Run something in the next frame, or a second later where nobody sees the page: it has no frames then. */
export function inNextFrame(run: () => void): void {
  if (document.visibilityState === "visible") requestAnimationFrame(run);
  else setTimeout(run, 1000);
}

/** Run something at most once a frame, however often it is asked for. */
export function oncePerFrame(run: () => void): () => void {
  let isWaiting = false;
  const begin = () => {
    isWaiting = false;
    run();
  };
  return () => {
    if (isWaiting) return;
    isWaiting = true;
    inNextFrame(begin);
  };
}

/** Run something when it has not been asked for again for so long. */
export function whenQuiet(run: () => void, waitMs: number): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(run, waitMs);
  };
}
