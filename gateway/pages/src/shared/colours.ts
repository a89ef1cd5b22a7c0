// The page's colours for what is drawn on a canvas, where CSS does not reach.

export interface Colours {
  up: string;
  down: string;
  text: string;
  dim: string;
  line: string;
  panel: string;
  accent: string;
  warn: string;
  mark: string;
  index: string;
}

/** The colours as the style sheet has them at an element now; read again when the theme changes. */
export function coloursAt(element: Element): Colours {
  const style = getComputedStyle(element);
  const of = (name: string): string => style.getPropertyValue(name).trim();
  return {
    up: of("--up"), down: of("--down"), text: of("--text"), dim: of("--text-dim"), line: of("--line"), panel: of("--panel"),
    accent: of("--accent"), warn: of("--warn"), mark: of("--chart-mark"), index: of("--chart-index"),
  };
}

/** A colour of six hexadecimal digits with an opacity from 0 to 1. */
export function faded(colour: string, opacity: number): string {
  return `${colour}${Math.round(opacity * 255).toString(16).padStart(2, "0")}`;
}
