// What this browser remembers: theme, zone, row height, column choices, single keys, last tab per protocol.
import type { Zone } from "../format/time";
import { createStore } from "./store";

export interface Preferences {
  theme: "system" | "light" | "dark";
  zone: Zone;
  comfortable: boolean;
  singleKeys: boolean;
  timelineFolded: boolean;
  hiddenStreamColumns: string[];
  hiddenSnapshotColumns: string[];
  lastTab: Record<string, string>;
  paneShare: number;
  filterHistory: string[];
}

const defaults: Preferences = {
  theme: "system", zone: "utc", comfortable: false, singleKeys: true, timelineFolded: false, hiddenStreamColumns: [], hiddenSnapshotColumns: [], lastTab: {}, paneShare: 0, filterHistory: [],
};

function load(): Preferences {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem("trawl") ?? "{}");
    return typeof stored === "object" && stored !== null ? { ...defaults, ...stored } : defaults;
  } catch {
    return defaults; // storage switched off or damaged: defaults are fine
  }
}

export const preferences = createStore<Preferences>(load());

preferences.subscribe((value) => {
  try {
    localStorage.setItem("trawl", JSON.stringify(value));
  } catch {
    // private windows may refuse: the choice holds until the tab closes
  }
});

export function setPreference<K extends keyof Preferences>(key: K, value: Preferences[K]): void {
  preferences.set((now) => ({ ...now, [key]: value }));
}

const dark = matchMedia("(prefers-color-scheme: dark)");

export function startTheme(): void {
  const apply = (): void => {
    const { theme } = preferences.get();
    document.documentElement.dataset["theme"] = theme === "system" ? (dark.matches ? "dark" : "light") : theme;
  };
  dark.addEventListener("change", apply);
  preferences.subscribe(apply);
  apply();
}

const zones: Zone[] = ["utc", "local", "relative"];

export function nextZone(): void {
  setPreference("zone", zones[(zones.indexOf(preferences.get().zone) + 1) % zones.length] ?? "utc");
}
