// The rows of a Parquet file, read by npm's hyparquet (test-only), a JSON object a line; the schema before them.
// usage: parquet_rows.mjs FILE
import { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects, parquetSchema } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';

const file = await asyncBufferFromFile(process.argv[2]);
const metadata = await parquetMetadataAsync(file);
const kind = ({ type, logical_type: logical, converted_type: converted }) => logical?.type ?? converted ?? type ?? 'GROUP';
console.log(JSON.stringify({ rowGroups: metadata.row_groups.length, rows: Number(metadata.num_rows), codec: metadata.row_groups[0]?.columns[0].meta_data.codec,
  columns: Object.fromEntries(parquetSchema(metadata).children.map(({ element }) => [element.name, kind(element)])) }));
// 64-bit integers as numbers where they fit; nanoseconds stay as digits.
const plain = (key, value) => (typeof value === 'bigint' ? (value < 2n ** 53n ? Number(value) : String(value)) : value);
const nanoseconds = { timestampFromNanoseconds: (n) => n, stringFromBytes: (bytes) => bytes && new TextDecoder().decode(bytes) };
const { DEFAULT_PARSERS } = await import('hyparquet/src/convert.js');
for (const row of await parquetReadObjects({ file, metadata, compressors, parsers: { ...DEFAULT_PARSERS, ...nanoseconds } })) console.log(JSON.stringify(row, plain));
