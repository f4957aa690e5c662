// A value with listeners: the only state container of the dashboard.
import { useEffect, useState } from "preact/hooks";

export interface Store<T> {
  get(): T;
  set(next: T | ((now: T) => T)): void;
  subscribe(listener: (value: T) => void): () => void;
}

export function createStore<T>(initial: T): Store<T> {
  let value = initial;
  const listeners = new Set<(value: T) => void>();
  return {
    get: () => value,
    set(next) {
      const result = typeof next === "function" ? (next as (now: T) => T)(value) : next;
      if (Object.is(result, value)) return;
      value = result;
      for (const listener of [...listeners]) listener(value);
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

export function useStore<T, S = T>(store: Store<T>, select: (value: T) => S = (value) => value as unknown as S): S {
  const [, bump] = useState(0);
  const selected = select(store.get());
  useEffect(() => {
    let last = selected;
    const check = (): void => {
      const next = select(store.get());
      if (!Object.is(next, last)) {
        last = next;
        bump((n) => n + 1);
      }
    };
    check(); // it may have changed between render and effect
    return store.subscribe(check);
  }, [store]);
  return selected;
}
