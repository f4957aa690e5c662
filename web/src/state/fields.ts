// The hub's table of fields and functions: asked for once, kept for the page's life. Completion, the entry view and clauses are made from it.
import { get } from "../api/client";
import type { FieldInfo, FieldsResponse } from "../api/types";
import { createStore } from "./store";

export interface FieldTable {
  response: FieldsResponse;
  fields: readonly FieldInfo[];
  byName: ReadonlyMap<string, FieldInfo>;
  /** Protocol names that stand alone in a filter: `http`, `dns` … */
  flags: ReadonlySet<string>;
}

export function makeTable(response: FieldsResponse): FieldTable {
  const owned = new Set(response.fields.map((f) => f.protocol));
  return {
    response, fields: response.fields, byName: new Map(response.fields.map((f) => [f.name, f])),
    // A flag is a bool without a protocol of its own; `incomplete` and the like are bools too, but nothing belongs to them.
    flags: new Set(response.fields.filter((f) => f.type === "bool" && f.protocol === "" && (owned.has(f.name) || !/[._]/.test(f.name)) && !["incomplete", "truncated", "tls", "tcp", "udp"].includes(f.name)).map((f) => f.name)),
  };
}

/** The protocol a field tells about: the flag in front of its name (`grpc_status` stands in HTTP/2's table), else the table's word. */
export function ownerOf(name: string, info: FieldInfo | undefined | null, flags: ReadonlySet<string>): string {
  const front = /^([a-z0-9]+)_/.exec(name)?.[1] ?? "";
  // http_version is of all that HTTP carries.
  return flags.has(front) && front !== "http" ? front : (info?.protocol ?? "");
}

/** Until the table is there, and when it cannot be had. */
export const noTable: FieldTable = makeTable({ fields: [], functions: [] });

export const fieldsStore = createStore<FieldTable | null>(null);

let asked: Promise<FieldTable> | null = null;

export function loadFields(): Promise<FieldTable> {
  asked ??= get<FieldsResponse>("filter/fields").then(
    (response) => {
      const table = makeTable(response);
      fieldsStore.set(table);
      return table;
    },
    (error: unknown) => {
      asked = null; // the next one asks again
      throw error;
    },
  );
  return asked;
}
