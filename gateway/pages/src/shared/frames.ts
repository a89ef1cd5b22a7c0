/** Run something at most once a frame, however often it is asked for; once a second where nobody sees the page. */
export function oncePerFrame(run: () => void): () => void {
  let isWaiting = false;
  const begin = () => {
    isWaiting = false;
    run();
  };
  return () => {
    if (isWaiting) return;
    isWaiting = true;
    if (document.visibilityState === "visible") requestAnimationFrame(begin);
    else setTimeout(begin, 1000);
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
