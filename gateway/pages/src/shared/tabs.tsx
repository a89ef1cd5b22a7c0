export interface Tab<Name extends string> {
  name: Name;
  title: string;
  /** How many things the tab holds; shown when there are any. */
  count?: number;
}

interface Props<Name extends string> {
  label: string;
  tabs: Tab<Name>[];
  chosen: Name;
  onChoose(name: Name): void;
}

/** A row of tabs: arrow keys move, the chosen one alone is reached with Tab. */
export function Tabs<Name extends string>({ label, tabs, chosen, onChoose }: Props<Name>) {
  const move = (event: KeyboardEvent & { currentTarget: HTMLElement }) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    const at = tabs.findIndex((tab) => tab.name === chosen);
    const next = (at + step + tabs.length) % tabs.length;
    onChoose(tabs[next]!.name);
    (event.currentTarget.children[next] as HTMLElement).focus();
  };
  return (
    <div class="tabs" role="tablist" aria-label={label} onKeyDown={move}>
      {tabs.map((tab) => (
        <button
          key={tab.name}
          type="button"
          role="tab"
          aria-selected={tab.name === chosen}
          tabIndex={tab.name === chosen ? 0 : -1}
          onClick={() => onChoose(tab.name)}
        >
          {tab.title}
          {tab.count ? <span class="count"> {tab.count}</span> : null}
        </button>
      ))}
    </div>
  );
}
